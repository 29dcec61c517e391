"""The stage that builds the tables of `sql/` from the raw files."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb

from kraft.data.contracts import resolve
from kraft.engine.budget import Budget
from kraft.engine.builder import Builder
from kraft.engine.isolation import tell
from kraft.engine.progress import Progress
from kraft.engine.session import Connection, open_session
from kraft.engine.sources import RawFile
from kraft.engine.store import Store
from kraft.errors import InputError
from kraft.settings import Settings

TABLES = (
    "user_features",
    "video_metadata",
    "interactions",
    "split",
    "interactions_train",
    "user_index",
    "item_index",
    # What the factors need ends here; they are fitted beside the rest.
    "user_item_counts",
    "user_counts",
    "item_counts",
    "interactions_test",
    "test_positives",
    "sample_submission",
    "ranker_users",
    "ranker_items",
    "ranker_train",
    "ranker_test",
)
"""What a build brings up to date. The small side tables come first: if one of them is broken, nothing
large has been read yet."""


def build(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check the raw files and bring every table up to date (a stage: arguments and result are JSON).

    Args:
        arguments: `settings`, a dump of `kraft.settings.Settings` with `raw` set; `tables`, names to build,
            by default `TABLES`.

    Tells each table's name once it is up to date.

    Returns:
        `built` (name -> rows, seconds, peak_mib, reason), `reused` (names), `split` (the row of the table, and
        its `cut_time`), `interactions` (rows), `duplicates` (exact copies dropped from the log), `catalog`
        (path).
    """
    settings = Settings.model_validate(arguments["settings"])
    if settings.raw is None:
        raise InputError("--raw is required here")
    inputs, extras = resolve(settings.raw, settings.matrix)
    store = Store(settings.work)
    progress = Progress(settings.verbosity)
    names = arguments.get("tables") or TABLES
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
        builder = Builder(
            connection,
            store,
            inputs,
            settings.model_dump(),
            progress,
            threads=settings.threads,
            force=settings.force,
        )
        if settings.force or store.entry("interactions") is None:
            check_extras(connection, extras)
        with progress.task("build_features", len(names), "tables") as task:
            for name in names:
                task.note(name)
                builder.ensure(name)
                tell(name)
                task.advance()
        split = _first(connection, builder, "split")
        builder.source("interactions").register(connection, "interactions")
        log = connection.view("interactions").aggregate("count(*), coalesce(sum(copies), 0)").fetchall()
        rows, raw_rows = (int(count) for count in log[0])
    split["cut_time"] = _local_time(split["cut_timestamp"])
    return {
        "built": builder.built,
        "reused": builder.reused,
        "split": split,
        "interactions": rows,
        "duplicates": raw_rows - rows,
        "catalog": str(store.write_catalog()),
    }


def _first(connection: Connection, builder: Builder, table: str) -> dict[str, Any]:
    builder.source(table).register(connection, table)
    relation = connection.view(table)
    return dict(zip(relation.columns, relation.fetchall()[0], strict=True))


def _local_time(timestamp: float | None) -> str:
    """``timestamp`` in KuaiRec's own zone, UTC+8, to the second; empty for None."""
    if timestamp is None:
        return ""
    return datetime.fromtimestamp(timestamp, timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S")


def check_extras(connection: Connection, files: Mapping[str, RawFile]) -> None:
    """`check_extra` of every file, side by side: one of them is read by Polars, in one thread.

    Raises:
        InputError: as `check_extra`, for the first file that is at fault.
    """
    with ThreadPoolExecutor(max_workers=len(files) or 1) as pool:
        # A cursor is a connection of its own: one connection runs one query at a time.
        checks = [pool.submit(check_extra, connection.cursor(), name, file) for name, file in files.items()]
        for check in checks:
            check.result()


def check_extra(connection: Connection, name: str, file: RawFile) -> None:
    """Read an optional file through its contract and hold its ids to theirs.

    Raises:
        InputError: a value is not of its type, or an id is missing or negative.
    """
    key = next(iter(file.columns))
    # Counting each column forces each cast.
    counted = ", ".join(f"count({column})" for column in file.columns)
    try:
        file.register(connection, name)
        row = connection.view(name).aggregate(f"count(*), min({key}), {counted}").fetchall()[0]
    except duckdb.Error as error:
        raise file.explain(error) or error from error
    rows, least, present = row[:3]
    if present != rows or (rows and least < 0):
        raise InputError(
            f"{file.path}, column {key}: ids must be integers from 0 on (least {least}, missing {rows - present})",
            "Correct these rows. Nothing was written.",
        )
