"""What do the two HTML pages cost? `jobs.explore` and `jobs.evaluate --html`, all else up to date, by turns."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kraft.benchmark.report import Report, Runs, Table, at_most, median_of, medians, most_of
from kraft.benchmark.setup import Setup
from kraft.settings import MIB

COMMANDS: Mapping[str, tuple[str, str]] = {
    "explore": ("jobs.explore", "--out"),
    "evaluation": ("jobs.evaluate", "--html"),
}
"""Page -> the command that makes it, and its option for the file."""
MOST_SECONDS, MOST_PEAK_MIB, MOST_PAGE_MIB = 60.0, 512.0, 5.0
"""Of both pages together; of the largest process; of each page."""
FIGURES = {"seconds": ("seconds", 1), "peak_mib": ("peak MiB", 0), "page_mib": ("page MiB", 1)}


class Plan(NamedTuple):
    repeats: int = 3


def run(setup: Setup, plan: Plan) -> Report:
    """Make both pages ``plan.repeats`` times, once all that they show is up to date."""
    drafts = setup.fresh("pages-made")
    sides = {page: partial(_make, setup, page, drafts) for page in COMMANDS}
    setup.progress.say("  scoring, unless all is up to date")
    for make in sides.values():
        make()
    return report(setup, setup.turns(plan.repeats, sides))


def _make(setup: Setup, page: str, folder: Path) -> dict[str, Any]:
    job, out = COMMANDS[page]
    file = folder / f"{page}.html"
    measured = setup.job(job, out, file, work=setup.folder / "pages", preset="kraft")
    return {**measured.figures(), "page_mib": file.stat().st_size / MIB}


def report(setup: Setup, runs: Runs) -> Report:
    """Hold the figures against the bounds."""
    seconds = sum(median_of(made, "seconds") for made in runs.values())
    peak, largest = most_of(runs, "peak_mib"), most_of(runs, "page_mib")
    repeats = len(next(iter(runs.values())))
    how = f"medians of {repeats} turns, all else up to date, {setup.threads} threads; peak of the largest process"
    headline = f"pages  both in {seconds:.1f} s, peak {peak:,.0f} MiB, the larger page {largest:.1f} MiB"
    checks = [
        at_most("seconds of both pages", seconds, MOST_SECONDS, ".1f"),
        at_most("peak [MiB]", peak, MOST_PEAK_MIB),
        at_most("larger page [MiB]", largest, MOST_PAGE_MIB, ".1f"),
    ]
    return Report("pages", headline, [Table(how, ("", *runs), medians(runs, FIGURES))], {"runs": runs}, checks)
