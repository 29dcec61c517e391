"""The page of the data.

Every number comes from a file of `sql/exploration`; nothing is computed here but shares and differences of these.
"""

import platform
from importlib.metadata import version

from kraft import __version__
from kraft.engine.process.memory import mib
from kraft.formatting import pluralize
from kraft.report.exploration import activity, content, drift, labels, quality, reading, tables, times
from kraft.report.page import Page
from kraft.settings import KUAIREC, Settings, usable_cores

TOLD_VERSIONS = ("duckdb", "jinja2", "matplotlib")


def page(found: tables.Exploration, losses: str = "") -> Page:
    """The page's content."""
    how = "The SQL behind each plot answers as it stands in kraft.duckdb of the work folder."
    lead = " ".join(filter(None, [activity.headline(found), losses, how]))
    sections = [
        activity.overview(found),
        *([] if found.has_threshold else [reading.section(found.settings)]),
        activity.activity(found),
        labels.section(found),
        times.section(found),
        content.section(found),
        quality.section(found),
        drift.section(found),
    ]
    return Page("The data", lead, sections, facts(found.settings))


def _train_period(settings: Settings) -> str:
    if settings.protocol == "big-to-small":
        return "all of it"
    return f"before {settings.test_from}" if settings.test_from else f"the first {settings.train_fraction:g}"


def _log(settings: Settings) -> dict[str, str]:
    """What was read, and what is positive in it."""
    if settings.log != KUAIREC:
        return {"log": settings.log}
    big = settings.protocol == "big-to-small"
    return {
        "matrix": "big, tested on small" if big else settings.matrix,
        "positive threshold": f"{settings.positive_threshold:g}",
    }


def facts(settings: Settings) -> dict[str, str]:
    """What was asked for, and what it ran on."""
    return {
        "kraft": __version__,
        "data": str(settings.raw),
        **_log(settings),
        "train period": _train_period(settings),
        "null timestamps": settings.null_timestamps,
        "memory limit": mib(settings.memory_limit),
        "threads": f"{settings.threads} of {pluralize(usable_cores(), 'core')}",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in TOLD_VERSIONS},
    }
