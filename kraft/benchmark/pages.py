"""What the pages of the data and of the evaluation take: `jobs.explore`, and `jobs.evaluate --html`.

Both are made by turns, tables, models and scores being up to date.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table, median_of
from kraft.benchmark.setup import Setup
from kraft.settings import MIB

COMMANDS: Mapping[str, tuple[str, str]] = {
    "explore": ("jobs.explore", "--out"),
    "evaluation": ("jobs.evaluate", "--html"),
}
"""Page -> the command that makes it, and its option for the file."""
MOST_SECONDS, MOST_PEAK_MIB, MOST_PAGE_MIB = 60.0, 512.0, 5.0
"""Of both pages together; of the largest process; of each page."""

Run = dict[str, Any]


def run(setup: Setup, repeats: int, preset: str = "kraft") -> Report:
    """Make both pages ``repeats`` times, and look at what was written."""
    work = setup.folder / "pages"
    options = setup.options(work, preset=preset)
    drafts = setup.fresh("pages-made")
    setup.progress.say("  scoring, unless all is up to date")
    for page in COMMANDS:
        _make(page, drafts, options, setup)
    runs: dict[str, list[Run]] = {page: [] for page in COMMANDS}
    for number in range(repeats):
        for page, made in runs.items():
            made.append(_make(page, drafts, options, setup))
            setup.progress.say(f"  {number + 1}/{repeats} {page:<10} {made[-1]['seconds']:7.1f} s")
    return report(setup, runs)


def _make(page: str, folder: Path, options: Sequence[str], setup: Setup) -> Run:
    job, out = COMMANDS[page]
    file = folder / f"{page}.html"
    measured = setup.measure(module(job, out, file, *options), folder=folder)
    return {**measured.figures(), "page_mib": file.stat().st_size / MIB}


def report(setup: Setup, runs: Mapping[str, Sequence[Run]]) -> Report:
    """The figures, and whether both pages keep to what is promised."""
    seconds = sum(median_of(made, "seconds") for made in runs.values())
    peak = max(run["peak_mib"] for made in runs.values() for run in made)
    largest = max(run["page_mib"] for made in runs.values() for run in made)
    table = Table(
        f"medians of {len(next(iter(runs.values())))}, tables, models and scores up to date, {setup.threads} threads; "
        "peak of the largest process",
        ("page", "seconds", "peak MiB", "page MiB"),
        [
            (page, *(median_of(made, name) for name in ("seconds", "peak_mib", "page_mib")))
            for page, made in runs.items()
        ],
    )
    headline = f"pages  both in {seconds:.1f} s, peak {peak:,.0f} MiB, the larger page {largest:.1f} MiB"
    data = {"runs": dict(runs), "raw": str(setup.raw), "threads": setup.threads, "peak_mib": peak}
    passed = seconds <= MOST_SECONDS and peak <= MOST_PEAK_MIB and largest <= MOST_PAGE_MIB
    return Report("pages", headline, [table], data, passed=passed)
