"""The stage that makes the page of the data: JSON in, one file out, in a process of its own.

Every number comes from a file of `sql/exploration`; nothing is computed here but shares and differences of these.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kraft import __version__
from kraft.engine.budget import mib, peak_bytes
from kraft.report.exploration import activity, content, drift, labels, quality, tables, times
from kraft.report.page import Page, write
from kraft.report.place import FIGURES
from kraft.report.words import counted
from kraft.settings import MIB, Settings, usable_cores

TOLD_VERSIONS = ("duckdb", "jinja2", "matplotlib")


def explore(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the page; the tables it reads (`tables.inputs`) are up to date.

    Args:
        arguments: `settings`; `losses`, what is to be said of rows that do not count (`kraft.data.losses`), or
            nothing; `out`, the file to write; `format`: html, json or markdown.

    Returns:
        `sections`, `figures` (how many), `bytes` (of the file), `peak_mib`.

    Memory: DuckDB's share of the limit, then the drawing library and one figure at a time.
    """
    settings = Settings.model_validate(arguments["settings"])
    out = Path(arguments["out"])
    made = page(tables.run(settings), arguments.get("losses", ""))
    write(made, out, format=arguments["format"], figures=out.parent / FIGURES)
    return {
        "sections": len(made.sections),
        "figures": len(list(made.figures)),
        "bytes": out.stat().st_size,
        "peak_mib": round(peak_bytes() / MIB),
    }


def page(found: tables.Exploration, losses: str = "") -> Page:
    """The page's content."""
    how = "The SQL behind each plot answers as it stands in kraft.duckdb of the work folder."
    lead = " ".join(filter(None, [activity.headline(found), losses, how]))
    sections = [
        activity.overview(found),
        activity.activity(found),
        labels.section(found),
        times.section(found),
        content.section(found),
        quality.section(found),
        drift.section(found),
    ]
    return Page("The data", lead, sections, facts(found.settings))


def facts(settings: Settings) -> dict[str, str]:
    """What was asked for, and what it ran on."""
    big = settings.protocol == "big-to-small"
    return {
        "kraft": __version__,
        "data": str(settings.raw),
        "matrix": "big, tested on small" if big else settings.matrix,
        "positive threshold": f"{settings.positive_threshold:g}",
        "train fraction": "all of it" if big else f"{settings.train_fraction:g}",
        "null timestamps": settings.null_timestamps,
        "memory limit": mib(settings.memory_limit),
        "threads": f"{settings.threads} of {counted(usable_cores(), 'core')}",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in TOLD_VERSIONS},
    }
