"""From raw files to the point where training can start: KRAFT against pandas and implicit.

KRAFT's side is `jobs.train --only-als` in an empty work folder. The other side, `kraft.benchmark.peer` in its two
styles, ends with the features in memory; KRAFT ends with them narrow on disk and gathers the factors while it
bins the rows, so `jobs.benchmark rounds` shows the time of binning for both.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from kraft.benchmark.agreement import Agreement, compare
from kraft.benchmark.outside import Measured, module
from kraft.benchmark.report import Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.engine.extras import need_extra
from kraft.engine.store import Store

KRAFT, PLAIN, CAREFUL = "kraft", "plain pandas", "careful pandas"
STYLES = {PLAIN: "plain", CAREFUL: "careful"}
SHOWN_TABLES = 6
FIGURES = {"seconds": "seconds", "cpu_seconds": "CPU seconds", "peak_mib": "peak MiB"}


def run(setup: Setup, repeats: int) -> Report:
    """Run each side ``repeats`` times by turns and compare time, memory and results.

    Raises:
        InputError: pandas is not installed, or of another version.
        MachineError: a side failed.
    """
    need_pandas()
    sides = (KRAFT, *STYLES)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    agreements: dict[str, Agreement] = {}
    for number in range(repeats):
        work = setup.fresh("kraft")
        # Who goes first changes, so that an hour that gets slower or faster weighs on every side alike.
        for side in sides if number % 2 == 0 else sides[::-1]:
            out = work if side == KRAFT else setup.fresh(f"peer-{STYLES[side]}")
            figures = _kraft(setup, work) if side == KRAFT else _peer(setup, out, STYLES[side])
            runs[side].append(figures)
            setup.progress.say(f"  {number + 1}/{repeats} {side:<18} {figures['seconds']:7.2f} s")
        for side, style in STYLES.items():
            out = setup.folder / f"peer-{style}"
            if side not in agreements:
                agreements[side] = compare(Store(work), out, runs[side][-1]["answer"])
            shutil.rmtree(out)
        shutil.rmtree(work)
    return _report(setup, runs, agreements)


def need_pandas() -> None:
    """Make sure that the peer can run.

    Raises:
        InputError: pandas is not installed, or of another version.
    """
    need_extra("bench", "this benchmark")


def _kraft(setup: Setup, work: Path) -> dict[str, Any]:
    command = module("jobs.train", "--only-als", *setup.options(work))
    measured = setup.measure(command)
    return measured.figures() | {"stages": _kraft_stages(measured, Store(work))}


def _kraft_stages(measured: Measured, store: Store) -> dict[str, float]:
    """Seconds of the largest tables and of the two stages; ALS runs beside the last tables."""
    told = {
        found[1]: float(found[2])
        for line in measured.stdout.splitlines()
        if (found := re.match(r"\s*(tables|als)\s.*\s([\d,.]+) s$", line))
    }
    tables = {name: entry["seconds"] for name, entry in store.manifest().items() if "rows" in entry}
    largest = sorted(tables.items(), key=lambda item: -item[1])[:SHOWN_TABLES]
    stages = {"tables": told.get("tables", sum(tables.values()))}
    stages |= {f"  {name}": seconds for name, seconds in largest}
    stages["ALS"] = told["als"]
    stages["the whole job"] = measured.seconds
    return {name: round(seconds, 3) for name, seconds in stages.items()}


def _peer(setup: Setup, out: Path, style: str) -> dict[str, Any]:
    where = ("--raw", setup.raw, "--out", out, "--matrix", setup.matrix)
    command = module("kraft.benchmark.peer", *where, "--threads", setup.threads, "--style", style)
    measured = setup.measure(command)
    answer = measured.answer()
    stages = dict(answer["stages"])
    stages["starting Python"] = round(measured.seconds - sum(stages.values()), 3)
    return measured.figures() | {"stages": stages, "answer": answer}


def _report(setup: Setup, runs: dict[str, list[dict[str, Any]]], agreements: dict[str, Agreement]) -> Report:
    ours = runs[KRAFT]
    ratios = {side: {name: ratio_of(runs[side], ours, name) for name in FIGURES} for side in STYLES}
    agree = all(agreement.agrees for agreement in agreements.values())
    headline = (
        f"preparation  {ratios[PLAIN]['seconds']:.1f} times faster than {PLAIN} and implicit, "
        f"1/{ratios[PLAIN]['peak_mib']:.1f} of its memory; {ratios[CAREFUL]['seconds']:.1f} times faster than "
        f"{CAREFUL}, 1/{ratios[CAREFUL]['peak_mib']:.1f}; {'the same results' if agree else 'THE RESULTS DIFFER'}"
    )
    summary = Table(
        f"medians of {len(ours)} runs by turns, {setup.threads} threads; ratio: median of the ratios of each turn",
        ("", KRAFT, *(word for side in STYLES for word in (side, "ratio"))),
        [
            (
                text,
                median_of(ours, name),
                *(cell for side in STYLES for cell in (median_of(runs[side], name), ratios[side][name])),
            )
            for name, text in FIGURES.items()
        ],
    )
    stages = [
        Table(
            f"where the seconds go: {side}",
            ("", "median"),
            [(name, median_of([run["stages"] for run in runs[side]], name)) for name in _common(runs[side])],
        )
        for side in runs
    ]
    data = {
        "ratios": ratios,
        "raw": str(setup.raw),
        "threads": setup.threads,
        "memory_limit": setup.memory_limit,
        "runs": runs,
        "agreement": {side: agreement.as_json() for side, agreement in agreements.items()},
    }
    agreed = [agreement.table(side) for side, agreement in agreements.items()]
    return Report("preparation", headline, [summary, *stages, *agreed], data, passed=agree)


def _common(runs: list[dict[str, Any]]) -> list[str]:
    """Stages that every run reports, in the order of the first; the smallest of the tables shown may vary."""
    return [name for name in runs[0]["stages"] if all(name in run["stages"] for run in runs)]
