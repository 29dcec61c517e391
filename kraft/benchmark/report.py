"""What a benchmark found: tables for people, JSON for programs, and the machine it was found on."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kraft.settings import usable_cores

LIBRARIES = ("kraft", "duckdb", "polars", "pyarrow", "numpy", "implicit", "lightgbm", "scikit-learn", "pandas")
Cell = str | int | float


@dataclass
class Table:
    """Rows under headings, all as text when printed."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __str__(self) -> str:
        lines = [list(self.headings), *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.headings))]
        # The first column names the row, the others are figures.
        shown = [
            "  ".join(
                cell.ljust(width) if place == 0 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *(f"  {line}" for line in shown)])


@dataclass
class Report:
    """The outcome of one benchmark."""

    what: str
    headline: str
    """One line: ratios and medians first."""
    tables: list[Table]
    data: dict[str, Any]
    """Every figure, also those of single runs."""
    passed: bool = True
    """False where a promise was broken: the command exits with 1."""

    def __str__(self) -> str:
        return "\n\n".join([self.headline, *map(str, self.tables), describe_machine(machine())])

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.what,
            "headline": self.headline,
            "passed": self.passed,
            **self.data,
            "machine": machine(),
        }


def median_of(runs: Sequence[dict[str, Any]], name: str) -> float:
    """Median of one figure over some runs.

    >>> median_of([{"seconds": 3}, {"seconds": 1}, {"seconds": 8}], "seconds")
    3
    """
    middle: float = median(run[name] for run in runs)
    return middle


def ratio_of(above: Sequence[dict[str, Any]], below: Sequence[dict[str, Any]], name: str) -> float:
    """Median of the ratios of one figure, a ratio for each pair of runs that stood side by side.

    What slows the machine for a minute slows both runs of a pair, and leaves their ratio as it is.

    >>> ratio_of([{"seconds": 10}, {"seconds": 40}], [{"seconds": 2}, {"seconds": 8}], "seconds")
    5.0
    """
    ratios: list[float] = [one[name] / other[name] for one, other in zip(above, below, strict=True)]
    return median(ratios)


def machine() -> dict[str, Any]:
    """The machine, and the versions of what was measured on it."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": usable_cores(),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "libraries": versions,
    }


def describe_machine(facts: dict[str, Any]) -> str:
    """`machine` in two lines."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    return (
        f"machine   {facts['cpu']}, {facts['cores']} cores, {facts['ram_gib']} GiB RAM, {facts['system']}\n"
        f"versions  Python {facts['python']}, {versions}"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 100 else f"{cell:,.0f}"  # noqa: PLR2004 - three digits tell enough
    return f"{cell:,}" if isinstance(cell, int) else cell
