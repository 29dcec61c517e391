"""From raw files to the point where training can start: KRAFT against plain pandas and implicit.

KRAFT's side is `jobs.train --only-als` in an empty work folder. The other side, `kraft.benchmark.peer`, ends
with the features in memory; KRAFT ends with them narrow on disk and gathers the factors while it bins the
rows, so `jobs.benchmark rounds` shows the time of binning for both.
"""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

from kraft.benchmark.agreement import Agreement, compare
from kraft.benchmark.outside import Measured, measure, module
from kraft.benchmark.report import Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.engine.store import Store
from kraft.errors import MachineError

KRAFT, PEER = "kraft", "pandas + implicit"
SHOWN_TABLES = 6
FIGURES = {"seconds": "seconds", "cpu_seconds": "CPU seconds", "peak_mib": "peak MiB"}


def run(setup: Setup, repeats: int, matrix: str = "small") -> Report:
    """Run both sides ``repeats`` times by turns and compare time, memory and results.

    Raises:
        MachineError: pandas is not installed, or a side failed.
    """
    if not _has_pandas():
        raise MachineError(
            "this benchmark measures KRAFT against pandas, which is not installed", "pip install -e '.[bench]'"
        )
    setup.warm(matrix)
    runs: dict[str, list[dict[str, Any]]] = {KRAFT: [], PEER: []}
    agreement: Agreement | None = None
    for number in range(repeats):
        work, out = setup.fresh("kraft"), setup.fresh("peer")
        # Who goes first changes, because the second finds the machine warm.
        for side in (KRAFT, PEER) if number % 2 == 0 else (PEER, KRAFT):
            figures = _kraft(setup, work, matrix) if side == KRAFT else _peer(setup, out, matrix)
            runs[side].append(figures)
            setup.progress.say(f"  {number + 1}/{repeats} {side:<18} {figures['seconds']:7.2f} s")
        agreement = agreement or compare(Store(work), out, runs[PEER][-1]["answer"])
        shutil.rmtree(work)
        shutil.rmtree(out)
    assert agreement is not None  # noqa: S101 - repeats is at least 1
    return _report(setup, runs, agreement)


def _has_pandas() -> bool:
    try:
        return importlib.util.find_spec("pandas") is not None
    except ValueError:
        # Hidden on purpose: sys.modules["pandas"] is None.
        return False


def _kraft(setup: Setup, work: Path, matrix: str) -> dict[str, Any]:
    command = module("jobs.train", "--only-als", *setup.options(work, matrix=matrix))
    measured = measure(command, threads=setup.threads, folder=setup.folder)
    return measured.figures() | {"stages": _kraft_stages(measured, Store(work))}


def _kraft_stages(measured: Measured, store: Store) -> dict[str, float]:
    """Seconds of the largest tables, of the two stages, and of what is left: starting Python."""
    told = {
        found[1]: float(found[2])
        for line in measured.stdout.splitlines()
        if (found := re.match(r"\s*(tables|als)\s.*\s([\d,.]+) s$", line))
    }
    tables = {name: entry["seconds"] for name, entry in store.manifest().items() if "rows" in entry}
    largest = sorted(tables.items(), key=lambda item: -item[1])[:SHOWN_TABLES]
    stages = {"tables": told.get("tables", sum(tables.values()))}
    stages |= {f"  {name}": seconds for name, seconds in largest}
    stages["ALS"] = told.get("als", 0.0)
    stages["starting the job"] = measured.seconds - stages["tables"] - stages["ALS"]
    return {name: round(seconds, 3) for name, seconds in stages.items()}


def _peer(setup: Setup, out: Path, matrix: str) -> dict[str, Any]:
    command = module(
        "kraft.benchmark.peer", "--raw", setup.raw, "--out", out, "--matrix", matrix, "--threads", setup.threads
    )
    measured = measure(command, threads=setup.threads, folder=setup.folder)
    answer = measured.answer()
    stages = dict(answer["stages"])
    stages["starting Python"] = round(measured.seconds - sum(stages.values()), 3)
    return measured.figures() | {"stages": stages, "answer": answer}


def _report(setup: Setup, runs: dict[str, list[dict[str, Any]]], agreement: Agreement) -> Report:
    ours, theirs = runs[KRAFT], runs[PEER]
    ratios = {name: ratio_of(theirs, ours, name) for name in FIGURES}
    headline = (
        f"preparation  {ratios['seconds']:.1f} times faster than {PEER}, 1/{ratios['peak_mib']:.1f} of its memory; "
        f"{'the same results' if agreement.agrees else 'THE RESULTS DIFFER'}"
    )
    summary = Table(
        f"medians of {len(ours)} runs by turns, {setup.threads} threads; ratio: median of the pairs' ratios",
        ("", "ratio", PEER, KRAFT),
        [(text, ratios[name], median_of(theirs, name), median_of(ours, name)) for name, text in FIGURES.items()],
    )
    stages = [
        Table(
            f"where the seconds go: {side}",
            ("", "median"),
            [(name, median_of([run["stages"] for run in runs[side]], name)) for name in _common(runs[side])],
        )
        for side in (PEER, KRAFT)
    ]
    data = {
        "ratios": ratios,
        "raw": str(setup.raw),
        "threads": setup.threads,
        "memory_limit": setup.memory_limit,
        "runs": runs,
        "agreement": agreement.as_json(),
    }
    return Report("preparation", headline, [summary, *stages, agreement.table()], data, passed=agreement.agrees)


def _common(runs: list[dict[str, Any]]) -> list[str]:
    """Stages that every run reports, in the order of the first; the smallest of the tables shown may vary."""
    return [name for name in runs[0]["stages"] if all(name in run["stages"] for run in runs)]
