"""The section on what was made, and what it took: the manifest of the work folder, read stage by stage."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from kraft import __version__
from kraft.artifacts import ALS, RANKER, SCORES
from kraft.engine.sql.queries import all_queries
from kraft.engine.workspace.store import FIT, Store
from kraft.formatting import Found, listed, percent, pluralize
from kraft.models.ranker.training import RECORD_FILE, RankerRecord
from kraft.report.page import Figure, Section, Table
from kraft.report.plots import named_bars
from kraft.settings import MIB, Settings, usable_cores
from kraft.stages.preset import als_settings, history_store

TOLD_VERSIONS: Final = ("duckdb", "lightgbm", "numpy", "polars", "pyarrow", "scikit-learn")
SLOWEST = 12
"""Steps that the figure shows."""
MODELS = "models"
STAGES: Final = ("staging", "split", "counts", "rates", "features", "candidates", MODELS, SCORES)
"""Folders of `sql/`, models and scores, in the order in which they are made."""
ALS_FILE = "als.json"
UNTOLD: Final = frozenset({"raw", "work", "quiet", "verbose", "force", "memory_limit", "threads"})
"""Settings that are no part of what was computed."""

Step = dict[str, Any]
"""`step`, `stage`, `rows`, `seconds` and `peak_mib`; None for what the manifest does not say."""


def section(store: Store, settings: Settings) -> Section:
    """Rows, seconds and memory of each stage and of its slowest steps."""
    steps = found_steps(store)
    lead = (
        "From the manifest of the work folder: each step as it was last made, perhaps by earlier jobs. The peak is "
        "that of the step's process up to its end, libraries included. Names that start with "
        f"{FIT} are of the history that the ranker learns from."
    )
    return Section("What it took", lead, [_stage_table(steps, settings), _slowest(steps), _step_table(steps)])


def facts(settings: Settings, record: RankerRecord) -> dict[str, str]:
    """What was asked for, and what it ran on."""
    chosen = settings.model_dump(mode="json")
    told = {
        name.replace("_", " "): _text(value)
        for name, value in chosen.items()
        if name not in UNTOLD and value not in (None, [], ())
    }
    return {
        "kraft": __version__,
        "data": str(settings.raw),
        **told,
        "ALS": _settings_text(als_settings(settings).model_dump()),
        "ranker": _settings_text(record.settings.model_dump()),
        "memory limit": f"{settings.memory_limit / MIB:,.0f} MiB",
        "threads": f"{settings.threads} of {pluralize(usable_cores(), 'core')}",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in TOLD_VERSIONS},
    }


def found_steps(store: Store) -> list[Step]:
    """Every table and model of the work folder."""
    return [
        {"step": f"{prefix}{name}", "stage": _stage_of(name), **_facts_of(part, name, entry)}
        for prefix, part in (("", store), (f"{FIT}.", history_store(store)))
        for name, entry in part.manifest().items()
    ]


def _facts_of(store: Store, name: str, entry: Found) -> Step:
    """What the manifest tells, or the model's own record."""
    told = {
        "rows": entry.get("rows", entry.get("pairs")),
        "seconds": entry.get("seconds"),
        "peak_mib": entry.get("peak_mib"),
    }
    if name.startswith(f"{RANKER}_") and (record := _record(store.model(name) / RECORD_FILE)):
        told |= {"rows": record["train_rows"], "seconds": record["dataset_seconds"] + record["train_seconds"]}
    elif name.startswith(f"{ALS}_") and (record := _record(store.model(name) / ALS_FILE)):
        told["seconds"] = record["pages_seconds"] + record["sweeps_seconds"]
    return told


def _record(path: Path) -> Found:
    """A model's record; empty if there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _stage_of(name: str) -> str:
    """The folder of `sql/` that the table comes from, or what else made it."""
    if name in all_queries():
        return all_queries()[name].stage
    return SCORES if name.startswith(f"{SCORES}_") else MODELS


def _stage_table(steps: list[Step], settings: Settings) -> Table:
    stages: dict[str, list[Step]] = {stage: [] for stage in STAGES}
    for step in steps:
        stages.setdefault(step["stage"], []).append(step)
    rows = [
        [
            stage,
            f"{len(members):,}",
            f"{sum(step['rows'] or 0 for step in members):,}",
            f"{sum(step['seconds'] or 0 for step in members):.1f}",
            f"{max(step['peak_mib'] or 0 for step in members):,}",
        ]
        for stage, members in stages.items()
        if members
    ]
    peak = max(steps, key=lambda step: step["peak_mib"] or 0)
    limit = settings.memory_limit / MIB
    seconds = sum(step["seconds"] or 0 for step in steps)
    sentence = (
        f"{seconds:.1f} s in all for {len(steps):,} tables and models; the most memory, {peak['peak_mib']:,} MiB "
        f"({percent(peak['peak_mib'] / limit, 0)} of the limit), was in use once {peak['step']} was made."
    )
    columns = ["stage", "tables and models", "rows", "seconds", "peak [MiB]"]
    return Table("stages", "Rows, seconds and memory a stage", sentence, columns, rows)


def _slowest(steps: list[Step]) -> Figure:
    timed = sorted((step for step in steps if step["seconds"]), key=lambda step: -step["seconds"])
    shown = timed[:SLOWEST]
    whole = sum(step["seconds"] for step in timed)
    most = shown[:3]
    share = sum(step["seconds"] for step in most) / whole
    return Figure(
        name="slowest_steps",
        title="Where the time went",
        sentence=f"{listed([step['step'] for step in most])} took {percent(share, 0)} of the {whole:.1f} s.",
        alt=f"Bars, the longest first: {', '.join(map(_step_text, shown))}.",
        draw=named_bars({step["step"]: step["seconds"] for step in shown}, x="seconds"),
        data=timed,
    )


def _step_table(steps: list[Step]) -> Table:
    largest = max(steps, key=lambda step: step["rows"] or 0)
    rows: list[list[Any]] = [
        [
            step["step"],
            step["stage"],
            None if step["rows"] is None else f"{step['rows']:,}",
            None if step["seconds"] is None else f"{step['seconds']:.2f}",
            None if step["peak_mib"] is None else f"{step['peak_mib']:,}",
        ]
        for step in steps
    ]
    sentence = f"The largest is {largest['step']} with {pluralize(largest['rows'] or 0, 'row')}."
    return Table("steps", "Every table and model", sentence, ["step", "stage", "rows", "seconds", "peak [MiB]"], rows)


def _step_text(step: Step) -> str:
    return f"{step['step']} {step['seconds']:.2f} s"


def _settings_text(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in chosen.items())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
