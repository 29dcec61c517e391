"""What a benchmark found: medians and ratios, checks, tables for people, JSON for programs, and the machine."""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from kraft.settings import usable_cores

LIBRARIES = ("kraft", "duckdb", "polars", "pyarrow", "numpy", "implicit", "lightgbm", "scikit-learn", "pandas")
Cell = str | int | float
Runs = dict[str, list[dict[str, Any]]]
"""Side -> the figures of each of its runs."""


@dataclass
class Table:
    """Rows under headings, all as text when printed."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __str__(self) -> str:
        lines = [list(self.headings), *([_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headings))]
        # The first column names the row, the others are figures.
        shown = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
        ]
        return "\n".join([self.title, *(f"  {line}" for line in shown)])


class Check(NamedTuple):
    """One requirement, as a row of a table."""

    what: str
    found: str
    required: str
    verdict: str
    """met, or NOT MET."""


def check(what: str, found: str, required: str, *, holds: bool) -> Check:
    return Check(what, found, required, "met" if holds else "NOT MET")


def at_most(what: str, found: float, bound: float, form: str = ",.0f") -> Check:
    return check(what, f"{found:{form}}", f"at most {bound:{form}}", holds=found <= bound)


def at_least(what: str, found: float, bound: float, form: str = ".1f") -> Check:
    return check(what, f"{found:{form}}", f"at least {bound:{form}}", holds=found >= bound)


@dataclass
class Report:
    """The outcome of one benchmark."""

    what: str
    headline: str
    """One line: ratios and medians first."""
    tables: list[Table]
    data: dict[str, Any]
    """Every figure, also those of single runs."""
    checks: Sequence[Check] = ()
    """The command exits with 1 where one is not met. They are the last table."""

    def __post_init__(self) -> None:
        if self.checks:
            self.tables = [*self.tables, Table("checks", ("", "found", "required", "verdict"), self.checks)]

    @property
    def passed(self) -> bool:
        return all(one.verdict == "met" for one in self.checks)

    def __str__(self) -> str:
        return "\n\n".join([self.headline, *map(str, self.tables), describe_machine(machine())])

    def as_json(self) -> dict[str, Any]:
        found = {"benchmark": self.what, "headline": self.headline, "passed": self.passed}
        return found | self.data | {"machine": machine()}


def median_of(runs: Sequence[dict[str, Any]], name: str) -> float:
    """Median of one figure over some runs.

    >>> median_of([{"seconds": 3}, {"seconds": 1}, {"seconds": 8}], "seconds")
    3
    """
    middle: float = median(run[name] for run in runs)
    return middle


def ratio_of(above: Sequence[dict[str, Any]], below: Sequence[dict[str, Any]], name: str) -> float:
    """Median of the ratios of one figure, one ratio for each pair of runs of the same turn.

    What slows the machine for a minute slows both runs of a pair, and leaves their ratio as it is.

    >>> ratio_of([{"seconds": 10}, {"seconds": 40}], [{"seconds": 2}, {"seconds": 8}], "seconds")
    5.0
    """
    ratios: list[float] = [one[name] / other[name] for one, other in zip(above, below, strict=True)]
    return median(ratios)


def most_of(runs: Runs, name: str) -> float:
    """The highest value of one figure over all runs of all sides."""
    most: float = max(run[name] for made in runs.values() for run in made)
    return most


def medians(runs: Runs, figures: Mapping[str, tuple[str, int]]) -> list[tuple[Cell, ...]]:
    """Rows of a table: a figure each, a column a side. ``figures``: name -> text and decimals."""
    return [
        (text, *(f"{median_of(made, name):,.{digits}f}" for made in runs.values()))
        for name, (text, digits) in figures.items()
    ]


def machine() -> dict[str, Any]:
    """The machine, and the versions of the libraries."""
    versions = {}
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
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
    where = f"{facts['cpu']}, {facts['cores']} cores, {facts['ram_gib']} GiB RAM, {facts['system']}"
    return f"machine   {where}\nversions  Python {facts['python']}, {versions}"


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 100 else f"{cell:,.0f}"  # noqa: PLR2004 - three digits tell enough
    return f"{cell:,}" if isinstance(cell, int) else cell
