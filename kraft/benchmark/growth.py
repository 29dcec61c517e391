"""How seconds and peak memory grow with the rows: every stage, from raw files to recommendations, at several scales.

For each format a twin of small_matrix is made at every scale (users and rows grow with it, the videos stay). Every
stage runs over each of them from scratch, in a process of its own, whose peak is what the kernel counted for it. The
twins take turns, `Plan.repeats` times, and of each stage the median of its seconds is taken (and its highest peak): an
hour in which the machine does something else weighs on all sizes alike, and not on the one that is running. The base
and the smallest scale, on which every exponent hangs, run `SMALL_RUNS` times a turn.

A stage takes some time even where there is next to nothing to do: libraries are loaded, and the side tables have
their full size. That is measured too, on a twin of `BASE_USERS` users, and the exponent that counts is that of the
seconds beyond it: the slope of a straight line through log seconds over log rows, by least squares.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from kraft.benchmark.outside import Measured, module
from kraft.benchmark.report import Cell, Report, Table
from kraft.benchmark.setup import Setup
from kraft.benchmark.walk import BUILD, EVALUATING, RECOMMENDING, STAGES, TRAINING, Until
from kraft.engine.isolation import run_stage
from kraft.engine.progress import QUIET
from kraft.settings import MIB

BASE_USERS = 20
SMALL_RUNS = 3
"""Runs of the base and of the smallest scale in each turn. With one, the base took 7.8 s in one growth and 11 s in the
next, which moved the exponents beyond it by up to a tenth."""
LEAST_EXPONENT, MOST_EXPONENT = 0.9, 1.1
MOST_PEAK_GROWTH = 1.1
"""Times the peak of the smallest scale that a stage may take at the largest."""
FILLING = frozenset((BUILD, TRAINING, EVALUATING, RECOMMENDING))
"""Stages that take what the limit gives them: DuckDB spills when its share of it is full, and the ranker learns from as
many rows as have room. What is small enough at the smallest scale fills no share there, so they cannot be flat; of each
of them it is asked that it stays below the limit. A lower limit shows what they need."""
SHOWN_SHARE = 0.02
"""Of the seconds of the largest build: tables that take less are not listed."""
LEAST_SECONDS = 0.05
"""Less than this beyond the base is noise, and no exponent is fitted."""
LEAST_SPREAD = 1.5
"""Times the fewest rows that the most have to be. With less, as of a ranker that has room for as many at any scale,
the seconds differ by chance, and so would the exponent."""


class Plan(NamedTuple):
    """What grows."""

    scales: Sequence[int]
    """Ascending."""
    formats: Sequence[str]
    """csv, parquet."""
    users: int
    """Of small_matrix at scale 1."""
    items: int
    seed: int
    preset: str
    until: Until
    rounds: int | None
    """Of the ranker; None for the preset's."""
    repeats: int
    """Turns."""


class Twin(NamedTuple):
    """Of one scale."""

    scale: int
    """0: the base."""
    users: int
    rows: int


def run(setup: Setup, plan: Plan) -> Report:
    """Measure every scale by turns, one format after the other.

    Args:
        setup: folder, with room for the twins of all scales, limit and threads; its data is not used.
        plan: what grows.
    """
    found = {form: _measured(setup, plan, form) for form in plan.formats}
    fits = {form: {stage: fit(runs, stage) for stage in stages_of(runs)} for form, runs in found.items()}
    demands = [line for form, runs in found.items() for line in _demands(setup, form, runs, fits[form])]
    tables = [table for form, runs in found.items() for table in _tables(plan, form, runs, fits[form])]
    tables.append(Table("what was asked", ("", "found", "asked", "verdict"), demands))
    met = all(verdict == "met" for *_, verdict in demands)
    data = {
        "plan": plan._asdict(),
        "memory_limit": setup.memory_limit,
        "threads": setup.threads,
        "runs": found,
        "exponents": {form: {stage: one._asdict() for stage, one in of.items()} for form, of in fits.items()},
    }
    return Report("growth", _headline(setup, found, fits), tables, data, passed=met)


class Fit(NamedTuple):
    """Slopes of a straight line through log seconds over log rows; None where there is nothing to fit."""

    seconds: float | None
    """Of the seconds as they are."""
    beyond: float | None
    """Of the seconds beyond those of the base: what counts."""


def fit(runs: Sequence[dict[str, Any]], stage: str) -> Fit:
    """The exponents of one stage.

    Args:
        runs: the base, then every scale.
        stage: of `walk.STAGES`, or "all".

    The rows of the ranker are those that it saw: rows it learned from times rounds, since it stops when it has learned
    enough, and samples where memory has no room.
    """
    base, *scales = ((_rows(run, stage), run["stages"][stage]["seconds"]) for run in _with(runs, stage))
    beyond = [(rows, seconds - base[1]) for rows, seconds in scales]
    return Fit(exponent(scales), exponent(beyond))


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of log y over log x by least squares; None where the x hardly differ, or a y is next to nothing.

    Args:
        points: one or more.

    >>> exponent([(1, 3), (2, 6), (4, 12)])
    1.0
    """
    xs, ys = zip(*points, strict=True)
    if max(xs) < LEAST_SPREAD * min(xs) or min(ys) < LEAST_SECONDS:
        return None
    logs = [(math.log(x), math.log(y)) for x, y in points]
    middle = math.fsum(x for x, _ in logs) / len(logs)
    squares = math.fsum((x - middle) ** 2 for x, _ in logs)
    return round(math.fsum((x - middle) * y for x, y in logs) / squares, 3)


def stages_of(runs: Sequence[dict[str, Any]]) -> list[str]:
    """The stages that were measured at some scale, in their order, and "all" of them together."""
    _, *scales = runs
    return [stage for stage in (*STAGES, "all") if _with(scales, stage)]


def _with(runs: Sequence[dict[str, Any]], stage: str) -> list[dict[str, Any]]:
    return [run for run in runs if stage in run["stages"]]


def _rows(run: dict[str, Any], stage: str) -> int:
    if stage != TRAINING:
        return int(run["rows"])
    told = run["stages"][stage]
    return int((told["train_rows"] + told["validation_rows"]) * told["rounds_run"])


def _measured(setup: Setup, plan: Plan, form: str) -> list[dict[str, Any]]:
    """Make the twins of the base and of all scales, run every stage over each of them by turns, delete all."""
    twins, work = setup.fresh("growth-twins"), setup.fresh("growth")
    try:
        made = [_make(plan, form, scale, twins / f"x{scale}") for scale in (0, *plan.scales)]
        walks: list[list[Measured]] = [[] for _ in made]
        turn = [
            (twin, told)
            for twin, told in zip(made, walks, strict=True)
            for _ in range(SMALL_RUNS if twin.scale <= plan.scales[0] else 1)
        ]
        for number in range(plan.repeats):
            for twin, told in turn:
                # What fails would fail again.
                if not (told and told[-1].code):
                    here = replace(setup, raw=twins / f"x{twin.scale}", matrix="small")
                    # Without a base there is nothing to fit: where that fails, so does the benchmark.
                    told.append(_walk(here, plan, work, check=not twin.scale))
                    setup.progress.say(f"  {number + 1}/{plan.repeats} {form:<7} {_line(twin, told[-1])}")
    finally:
        for folder in (twins, work):
            shutil.rmtree(folder)
    return [twin._asdict() | _combined(told) for twin, told in zip(made, walks, strict=True)]


def _make(plan: Plan, form: str, scale: int, raw: Path) -> Twin:
    users = plan.users if scale else min(BASE_USERS, plan.users)
    options = {"users": users, "items": plan.items, "scale": scale or 1, "seed": plan.seed, "file_format": form}
    # In a process of its own: what it takes must not stand in the way of the measured ones.
    made = run_stage("kraft.data.twin:make_stage", {"to": str(raw), **options, "with_big": False, "verbosity": QUIET})
    return Twin(scale, users * (scale or 1), made["rows"]["small_matrix"])


def _walk(setup: Setup, plan: Plan, folder: Path, *, check: bool) -> Measured:
    options = setup.options(folder / "work", preset=plan.preset, rounds=plan.rounds, until=plan.until)
    walk = setup.measure(module("kraft.benchmark.walk", *options), folder=folder, check=check)
    # One that fails may have made nothing.
    shutil.rmtree(folder / "work", ignore_errors=bool(walk.code))
    return walk


def _line(twin: Twin, walk: Measured) -> str:
    name = f"scale {twin.scale}" if twin.scale else f"base, {twin.users} users"
    failed = f"  FAILED: {_error_of(walk)}" if walk.code else ""
    peak = walk.peak_bytes / MIB
    return f"{name:<14} {twin.rows:>12,} rows  {walk.seconds:8.1f} s  peak {peak:,.0f} MiB{failed}"


def _combined(walks: Sequence[Measured]) -> dict[str, Any]:
    """The last of several walks over one twin, with the medians of their seconds and the highest of their peaks."""
    stages = [_stages(walk) for walk in walks]
    # Where a walk fails, it is the last, and has no stages that the others lack.
    combined = {
        name: told
        | {
            "seconds": round(median(one[name]["seconds"] for one in stages), 3),
            "peak_bytes": max(one[name]["peak_bytes"] for one in stages),
        }
        for name, told in stages[-1].items()
    }
    if tables := combined.get(BUILD, {}).get("tables"):
        combined[BUILD]["tables"] = {
            name: round(median(one[BUILD]["tables"][name] for one in stages), 3) for name in tables
        }
    return {
        "stages": combined,
        "failed": _error_of(walks[-1]) if walks[-1].code else None,
        "seconds": round(median(walk.seconds for walk in walks), 3),
        "cpu_seconds": round(median(walk.cpu_seconds for walk in walks), 3),
        "peak_bytes": max(walk.peak_bytes for walk in walks),
    }


def _stages(walk: Measured) -> dict[str, dict[str, Any]]:
    """Of one walk: stage -> what it told, and "all" of them together where it ran to its end."""
    stages: dict[str, dict[str, Any]] = walk.answer() if walk.stdout else {}
    if not walk.code:
        stages["all"] = {
            "seconds": round(sum(told["seconds"] for told in stages.values()), 3),
            # From outside: of every process, also of those that only wait for the stages.
            "peak_bytes": walk.peak_bytes,
        }
    return stages


def _error_of(measured: Measured) -> str:
    """The last line of what it wrote to stderr that is not indented: the error, and not what to do about it."""
    lines = [line for line in measured.stderr.splitlines() if line[:1].strip()]
    return lines[-1] if lines else f"exit {measured.code}"


def _demands(
    setup: Setup, form: str, runs: Sequence[dict[str, Any]], fits: dict[str, Fit]
) -> list[tuple[str, str, str, str]]:
    """What has to be shown: found, asked, verdict."""
    _, *scales = runs
    peak = max(run["peak_bytes"] for run in scales) / MIB
    limit = setup.memory_limit / MIB
    through = [f"x{run['scale']}" for run in scales if not run["failed"]]
    asked = ", ".join(f"x{run['scale']}" for run in scales)
    lines = [
        (f"{form}: runs to its end", ", ".join(through) or "none", asked, len(through) == len(scales)),
        (f"{form}: peak of the largest process [MiB]", f"{peak:,.0f}", f"at most {limit:,.0f}", peak <= limit),
    ]
    for stage, found in fits.items():
        if found.beyond is not None:
            straight = LEAST_EXPONENT <= found.beyond <= MOST_EXPONENT
            asked = f"{LEAST_EXPONENT} to {MOST_EXPONENT}"
            lines.append((f"{form}: exponent of time, {stage}", f"{found.beyond:.2f}", asked, straight))
    for stage in (one for one in fits if len(_with(scales, one)) > 1 and one != "all"):
        if stage in FILLING:
            most = max(run["stages"][stage]["peak_bytes"] for run in _with(scales, stage)) / MIB
            lines.append((f"{form}: peak, {stage} [MiB]", f"{most:,.0f}", f"at most {limit:,.0f}", most <= limit))
        else:
            grown = _peak_growth(scales, stage)
            asked = f"at most {MOST_PEAK_GROWTH:g}"
            lines.append((f"{form}: times the peak, {stage}", f"{grown:.2f}", asked, grown <= MOST_PEAK_GROWTH))
    return [(what, found, asked, "met" if holds else "NOT MET") for what, found, asked, holds in lines]


def _peak_growth(scales: Sequence[dict[str, Any]], stage: str) -> float:
    peaks = [run["stages"][stage]["peak_bytes"] for run in _with(scales, stage)]
    return float(peaks[-1] / peaks[0])


def _tables(plan: Plan, form: str, runs: Sequence[dict[str, Any]], fits: dict[str, Fit]) -> list[Table]:
    base, *scales = runs
    headings = ("", "base", *(f"x{run['scale']}" for run in scales))
    seconds: list[tuple[Cell, ...]] = [
        (
            stage,
            *(run["stages"][stage]["seconds"] if stage in run["stages"] else "-" for run in runs),
            _shown(found.seconds),
            _shown(found.beyond),
            _rows_a_second(_with(scales, stage)[-1], stage),
        )
        for stage, found in fits.items()
    ]
    peaks: list[tuple[Cell, ...]] = [
        (
            stage,
            *(f"{run['stages'][stage]['peak_bytes'] / MIB:,.0f}" if stage in run["stages"] else "-" for run in runs),
            _peak_growth(scales, stage),
        )
        for stage in fits
    ]
    rows = ", ".join(f"{run['rows']:,}" for run in scales)
    return [
        Table(
            f"{form}, preset {plan.preset}, {rows} interactions (base {base['rows']:,}): "
            f"medians of {plan.repeats} turns [s]",
            (*headings, "exponent", "beyond base", "rows a second"),
            seconds,
        ),
        Table(
            f"{form}: peak of the stage's process [MiB], highest of all turns", (*headings, "largest / smallest"), peaks
        ),
        *_table_seconds(form, headings, runs),
    ]


def _table_seconds(form: str, headings: tuple[str, ...], runs: Sequence[dict[str, Any]]) -> list[Table]:
    """Where the build's seconds go; nothing where the largest was not built."""
    built = [run["stages"].get(BUILD, {}).get("tables", {}) for run in runs]
    largest = built[-1]
    shown = sorted(
        (name for name, seconds in largest.items() if seconds >= SHOWN_SHARE * sum(largest.values())),
        key=lambda name: -largest[name],
    )
    lines: list[tuple[Cell, ...]] = [(name, *(tables.get(name, "-") for tables in built)) for name in shown]
    return [Table(f"{form}: seconds of the tables that take most, medians", headings, lines)] if lines else []


def _headline(setup: Setup, found: dict[str, list[dict[str, Any]]], fits: dict[str, dict[str, Fit]]) -> str:
    told = []
    for form, runs in found.items():
        largest = runs[-1]
        slopes = [one.beyond for one in fits[form].values() if one.beyond is not None]
        span = f"exponents {min(slopes):.2f} to {max(slopes):.2f}" if slopes else "no exponent"
        peak = max(run["peak_bytes"] for run in runs) / MIB
        took = f"FAILED after {largest['seconds']:,.0f} s" if largest["failed"] else f"{largest['seconds']:,.0f} s"
        told.append(
            f"{form} up to {largest['rows']:,} interactions: {took}, {span}, "
            f"peak {peak:,.0f} of {setup.memory_limit / MIB:,.0f} MiB"
        )
    return f"growth  {'; '.join(told)}"


def _rows_a_second(run: dict[str, Any], stage: str) -> str:
    return f"{_rows(run, stage) / run['stages'][stage]['seconds']:,.0f}"


def _shown(number: Cell | None) -> str:
    return "-" if number is None else f"{number:.2f}"
