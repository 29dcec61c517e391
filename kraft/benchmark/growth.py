"""How do seconds and peak memory grow with the rows? Every stage, from raw files to recommendations, at several scales.

For each format there is synthetic data of every scale: users and rows grow, the videos stay. Every stage runs from
scratch in its own process. The scales take turns, `Plan.repeats` times; seconds are medians, peaks the highest. A
run of `BASE_USERS` users tells what a stage takes with next to nothing to do. We subtract these seconds, then fit
log(seconds) on log(rows) by least squares: the slope is the exponent.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import linear_regression, median
from typing import Any, NamedTuple

from kraft.benchmark.measure_process import Measured
from kraft.benchmark.report import Cell, Check, Report, Table, at_most, check
from kraft.benchmark.run_stages import BUILD, EVALUATING, RECOMMENDING, STAGES, TRAINING, Until, run_stages
from kraft.benchmark.runner import command_of
from kraft.benchmark.setup import Setup, synthesize
from kraft.settings import MIB

BASE_USERS = 20
SMALL_RUNS = 3
"""Runs of the base and of the smallest scale in each turn: every exponent depends on them."""
LEAST_EXPONENT, MOST_EXPONENT = 0.9, 1.1
MOST_PEAK_GROWTH = 1.1
"""Times the peak of the smallest scale that a stage may take at the largest."""
FILLING = frozenset((BUILD, TRAINING, EVALUATING, RECOMMENDING))
"""Stages that take what the limit gives them: DuckDB spills when its share is full, and the ranker learns from as many
rows as have room. Their peaks have to stay below the limit."""
SHOWN_SHARE = 0.02
"""Of the seconds of the largest build: tables that take less are not listed."""
LEAST_SECONDS = 0.05
"""Less than this beyond the base is noise, and no exponent is fitted."""
LEAST_SPREAD = 1.5
"""Most rows over fewest. With less, as of a ranker that has room for as many at any scale, seconds differ by chance."""


class Plan(NamedTuple):
    scales: Sequence[int] = (1, 2, 4)
    """Ascending."""
    formats: Sequence[str] = ("csv", "parquet")
    users: int = 1411
    """Of small_matrix at scale 1."""
    items: int = 3327
    twin_seed: int = 1
    """Of the synthetic data."""
    preset: str = "kraft"
    until: Until = "recommend"
    rounds: int | None = None
    """Of the ranker; None for the preset's."""
    repeats: int = 3


class Fit(NamedTuple):
    """Exponents; None if there is nothing to fit."""

    seconds: float | None
    """Of the seconds as they are."""
    beyond: float | None
    """Of the seconds beyond those of the base: the one that is checked."""


def run(setup: Setup, plan: Plan) -> Report:
    """Measure every scale by turns, one format after the other; the data of ``setup`` is not used."""
    found = {form: _measured(setup, plan, form) for form in plan.formats}
    fits = {form: {stage: fit(runs, stage) for stage in stages_of(runs)} for form, runs in found.items()}
    checks = [one for form, runs in found.items() for one in _checks(setup, form, runs, fits[form])]
    tables = [table for form, runs in found.items() for table in _tables(plan, form, runs, fits[form])]
    exponents = {form: {stage: one._asdict() for stage, one in of.items()} for form, of in fits.items()}
    headline = "; ".join(_headline(setup, form, runs, fits[form]) for form, runs in found.items())
    return Report("growth", f"growth  {headline}", tables, {"runs": found, "exponents": exponents}, checks)


def fit(runs: Sequence[dict[str, Any]], stage: str) -> Fit:
    """The exponents of one stage, or of "all"; ``runs``: the base, then every scale.

    The ranker's rows are those it learned from times its rounds: it stops when it has learned enough.
    """
    base, *scales = ((_rows(run, stage), run["stages"][stage]["seconds"]) for run in _with(runs, stage))
    beyond = [(rows, seconds - base[1]) for rows, seconds in scales]
    return Fit(exponent(scales), exponent(beyond))


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of log y over log x by least squares; None if the x hardly differ, or a y is next to nothing.

    >>> exponent([(1, 3), (2, 6), (4, 12)])
    1.0
    """
    xs, ys = zip(*points, strict=True)
    if max(xs) < LEAST_SPREAD * min(xs) or min(ys) < LEAST_SECONDS:
        return None
    return round(linear_regression(*([math.log(value) for value in values] for values in (xs, ys))).slope, 3)


def stages_of(runs: Sequence[dict[str, Any]]) -> list[str]:
    """The stages that were measured at some scale, in their order, and "all" of them together."""
    return [stage for stage in (*STAGES, "all") if _with(runs[1:], stage)]


def _with(runs: Sequence[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    return [run for run in runs if stage in run["stages"]]


def _rows(run: dict[str, Any], stage: str) -> int:
    if stage != TRAINING:
        return int(run["rows"])
    told = run["stages"][stage]
    return int((told["train_rows"] + told["validation_rows"]) * told["rounds_run"])


def _measured(setup: Setup, plan: Plan, form: str) -> list[dict[str, Any]]:
    """Make the data of the base and of all scales, run every stage over each of them by turns, delete all."""
    raw, work = setup.fresh("growth-synthetic"), setup.fresh("growth")
    try:
        made = [_synthesize(plan, form, scale, raw / f"x{scale}") for scale in (0, *plan.scales)]
        runs: list[list[Measured]] = [[] for _ in made]
        turn = [
            (scale, told)
            for scale, told in zip(made, runs, strict=True)
            for _ in range(SMALL_RUNS if scale["scale"] <= plan.scales[0] else 1)
        ]
        for number in range(plan.repeats):
            for scale, told in turn:
                # What fails would fail again.
                if not (told and told[-1].code):
                    here = replace(setup, raw=raw / f"x{scale['scale']}", matrix="small")
                    # Without a base there is nothing to fit: where that fails, so does the benchmark.
                    told.append(_run(here, plan, work, check=scale["scale"] == 0))
                    setup.progress.say(f"  {number + 1}/{plan.repeats} {form:<7} {_line(scale, told[-1])}")
    finally:
        for folder in (raw, work):
            shutil.rmtree(folder)
    return [scale | _combined(told) for scale, told in zip(made, runs, strict=True)]


def _synthesize(plan: Plan, form: str, scale: int, raw: Path) -> dict[str, int]:
    """`scale`, `users` and `rows` of what was made; at scale 0, the base."""
    users = plan.users if scale else min(BASE_USERS, plan.users)
    options = {"users": users, "items": plan.items, "scale": scale or 1, "seed": plan.twin_seed, "file_format": form}
    made = synthesize(raw, **options, with_big=False)
    return {"scale": scale, "users": users * (scale or 1), "rows": made["rows"]["small_matrix"]}


def _run(setup: Setup, plan: Plan, folder: Path, *, check: bool) -> Measured:
    settings = setup.settings(folder / "work", preset=plan.preset, rounds=plan.rounds)
    run = setup.measure(command_of(run_stages, {"settings": settings, "until": plan.until}), folder=folder, check=check)
    # One that fails may have made nothing.
    shutil.rmtree(folder / "work", ignore_errors=bool(run.code))
    return run


def _line(scale: dict[str, int], run: Measured) -> str:
    name = f"scale {scale['scale']}" if scale["scale"] else f"base, {scale['users']} users"
    failed = f"  FAILED: {run.error()}" if run.code else ""
    return f"{name:<14} {scale['rows']:>12,} rows  {run.seconds:8.1f} s  peak {run.peak_bytes / MIB:,.0f} MiB{failed}"


def _combined(runs: Sequence[Measured]) -> dict[str, Any]:
    """The last of several runs at one scale, with the medians of their seconds and the highest of their peaks."""
    # If a run fails, it is the last, and has no stages that the others lack.
    stages = [_stages(run) for run in runs]
    combined = stages[-1]
    for name, told in combined.items():
        told["seconds"] = round(median(one[name]["seconds"] for one in stages), 3)
        told["peak_bytes"] = max(one[name]["peak_bytes"] for one in stages)
    if tables := combined.get(BUILD, {}).get("tables"):
        middle = {name: median(one[BUILD]["tables"][name] for one in stages) for name in tables}
        combined[BUILD]["tables"] = {name: round(seconds, 3) for name, seconds in middle.items()}
    return {
        "stages": combined,
        "failed": runs[-1].error() if runs[-1].code else None,
        "seconds": round(median(run.seconds for run in runs), 3),
        "cpu_seconds": round(median(run.cpu_seconds for run in runs), 3),
        "peak_bytes": max(run.peak_bytes for run in runs),
    }


def _stages(run: Measured) -> dict[str, dict[str, Any]]:
    """Of one run: stage -> what it told, and "all" of them together where it came to its end."""
    stages: dict[str, dict[str, Any]] = run.answer() if run.stdout else {}
    if not run.code:
        seconds = round(sum(told["seconds"] for told in stages.values()), 3)
        # The peak of every process, also of the one that waits for the stages.
        stages["all"] = {"seconds": seconds, "peak_bytes": run.peak_bytes}
    return stages


def _checks(setup: Setup, form: str, runs: Sequence[dict[str, Any]], fits: dict[str, Fit]) -> list[Check]:
    _, *scales = runs
    limit = setup.memory_limit / MIB
    through = ", ".join(f"x{run['scale']}" for run in scales if not run["failed"]) or "none"
    asked = ", ".join(f"x{run['scale']}" for run in scales)
    peak = max(run["peak_bytes"] for run in scales) / MIB
    checks = [
        check(f"{form}: runs to its end", through, asked, holds=through == asked),
        at_most(f"{form}: peak of the largest process [MiB]", peak, limit),
    ]
    for stage, found in fits.items():
        if found.beyond is not None:
            straight = LEAST_EXPONENT <= found.beyond <= MOST_EXPONENT
            what, asked = f"{form}: exponent of time, {stage}", f"{LEAST_EXPONENT} to {MOST_EXPONENT}"
            checks.append(check(what, f"{found.beyond:.2f}", asked, holds=straight))
    for stage in (one for one in fits if len(_with(scales, one)) > 1 and one != "all"):
        if stage in FILLING:
            most = max(run["stages"][stage]["peak_bytes"] for run in _with(scales, stage)) / MIB
            checks.append(at_most(f"{form}: peak, {stage} [MiB]", most, limit))
        else:
            grown = _peak_growth(scales, stage)
            checks.append(at_most(f"{form}: times the peak, {stage}", grown, MOST_PEAK_GROWTH, ".2f"))
    return checks


def _peak_growth(scales: Sequence[dict[str, Any]], stage: str) -> float:
    peaks = [run["stages"][stage]["peak_bytes"] for run in _with(scales, stage)]
    return float(peaks[-1] / peaks[0])


def _tables(plan: Plan, form: str, runs: Sequence[dict[str, Any]], fits: dict[str, Fit]) -> list[Table]:
    base, *scales = runs
    headings = ("", "base", *(f"x{run['scale']}" for run in scales))
    seconds: list[tuple[Cell, ...]] = []
    peaks: list[tuple[Cell, ...]] = []
    for stage, found in fits.items():
        told = [run["stages"].get(stage) for run in runs]
        last = _with(scales, stage)[-1]
        rate = f"{_rows(last, stage) / last['stages'][stage]['seconds']:,.0f}"
        exponents = ("-" if number is None else f"{number:.2f}" for number in found)
        seconds.append((stage, *(one["seconds"] if one else "-" for one in told), *exponents, rate))
        mib = (f"{one['peak_bytes'] / MIB:,.0f}" if one else "-" for one in told)
        peaks.append((stage, *mib, _peak_growth(scales, stage)))
    rows = ", ".join(f"{run['rows']:,}" for run in scales)
    title = f"{form}, preset {plan.preset}, {rows} interactions (base {base['rows']:,})"
    timing, memory = (*headings, "exponent", "beyond base", "rows a second"), (*headings, "largest / smallest")
    return [
        Table(f"{title}: medians of {plan.repeats} turns [s]", timing, seconds),
        Table(f"{form}: peak of the stage's process [MiB], highest of all turns", memory, peaks),
        *_table_seconds(form, headings, runs),
    ]


def _table_seconds(form: str, headings: tuple[str, ...], runs: Sequence[dict[str, Any]]) -> list[Table]:
    """Where the build's seconds go; nothing if the largest was not built."""
    built = [run["stages"].get(BUILD, {}).get("tables", {}) for run in runs]
    largest: dict[str, float] = built[-1]
    least = SHOWN_SHARE * sum(largest.values())
    shown = sorted((name for name in largest if largest[name] >= least), key=lambda name: -largest[name])
    lines: list[tuple[Cell, ...]] = [(name, *(tables.get(name, "-") for tables in built)) for name in shown]
    return [Table(f"{form}: seconds of the tables that take most, medians", headings, lines)] if lines else []


def _headline(setup: Setup, form: str, runs: Sequence[dict[str, Any]], fits: dict[str, Fit]) -> str:
    largest = runs[-1]
    slopes = [one.beyond for one in fits.values() if one.beyond is not None]
    span = f"exponents {min(slopes):.2f} to {max(slopes):.2f}" if slopes else "no exponent"
    peak = max(run["peak_bytes"] for run in runs) / MIB
    took = f"{'FAILED after ' if largest['failed'] else ''}{largest['seconds']:,.0f} s"
    return (
        f"{form} up to {largest['rows']:,} interactions: {took}, {span}, "
        f"peak {peak:,.0f} of {setup.memory_limit / MIB:,.0f} MiB"
    )
