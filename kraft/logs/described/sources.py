"""The parts of a described log as sources for the files of `sql/log`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kraft.columns import USER_ID
from kraft.engine.paths import file_state, literal, parquet_rows, quoted
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import AbsentFile, Source
from kraft.errors import InputError
from kraft.logs.contracts import USERS

OVERRIDES: Final = {
    "interactions": "described_interactions",
    "raw_user_features": "described_users",
    "raw_item_categories": "described_categories",
    "raw_item_daily_features": "described_items",
    "raw_kuairec_caption_category": "described_texts",
}
"""Table -> the file of `sql/` that makes it of a described log."""
ROW: Final = "described_row"
"""Column of the parts: the row's number in its file, from 1. Parts have it if rows have no time, or some are bad."""
USER_COLUMNS: Final = {name: kind for name, kind in USERS.columns.items() if name != USER_ID}
"""Attributes of users that KRAFT has features for, and their types."""
LOG_COLUMNS: Final = {
    "user_key": "VARCHAR",
    "item_key": "VARCHAR",
    "timestamp": "DOUBLE",
    "label": "BOOLEAN",
    "play_duration": "INTEGER",
    "video_duration": "INTEGER",
    "watch_ratio": "DOUBLE",
    "date": "INTEGER",
}
REJECTED: Final = {
    "purpose": "Rows of the log's files that were quarantined, and why. Grain: one row a quarantined row.",
    "columns": {
        "file": "name of the file",
        "line": "row of the file, from 1, the header not counted",
        "column": "the field of the description at fault",
        "value": "the row, as the description reads it",
        "reason": "the rule that is broken",
    },
}
"""What the manifest says of the table `rejected_rows`."""
ITEM_COLUMNS: Final = {
    "item_key": "VARCHAR",
    "categories": "VARCHAR[]",
    "author": "VARCHAR",
    "uploaded": "DATE",
    "kind": "VARCHAR",
    "title": "VARCHAR",
}


@dataclass(frozen=True)
class Parts:
    """The good rows of some parts, in any order.

    Args:
        path: the description, for messages.
        files: the parts.
        columns: of them.
        rows: rows of each, if the rows are in the order of time and have none: their time is their number then.
    """

    path: Path
    files: tuple[Path, ...]
    columns: tuple[str, ...]
    rows: tuple[int, ...] = ()

    def state(self) -> str:
        states = "\n".join(file_state(file) for file in self.files)
        return hashlib.sha256(f"{states}\n{self.rows}".encode()).hexdigest()[:16]

    def register(self, connection: Connection, name: str) -> None:
        selects = []
        before = 0
        for index, file in enumerate(self.files):
            time = f"cast({ROW} - 1 + {before} as double) as timestamp"
            listed = ", ".join(time if self.rows and column == "timestamp" else column for column in self.columns)
            selects.append(f"select {listed} from {parquet_rows(file)} where rule is null")  # noqa: S608 - quoted
            before += self.rows[index] if self.rows else 0
        connection.execute(f"create or replace view {quoted(name)} as {' union all '.join(selects)}")


def resolve(
    description: Path, log: Parts, users: Sequence[Path], items: Sequence[Path]
) -> tuple[dict[str, Source], dict[str, Source]]:
    """The sources of a described log, by logical name: the required ones and the optional ones, as
    `kraft.logs.contracts.resolve` gives those of KuaiRec's files.
    """

    def parts(files: Iterable[Path], columns: Mapping[str, str]) -> Source:
        found = tuple(files)
        return Parts(description, found, tuple(columns)) if found else AbsentFile(dict(columns))

    sources = {
        "log_rows": log,
        "log_users": parts(users, {"user_key": "VARCHAR", **USER_COLUMNS}),
        "log_items": parts(items, ITEM_COLUMNS),
    }
    return sources, {"raw_social_network": AbsentFile({"user_id": "INTEGER", "friend_list": "VARCHAR"})}


def rejected_rows(parts: Mapping[str, Path]) -> str:
    """SQL for the table `rejected_rows` of the parts that have bad rows, by the names of their files."""
    selects = [
        f"select {literal(file)} as file, {ROW} as line, split_part(rule, ' ', 1) as \"column\", "  # noqa: S608 - quoted
        f"cast(columns_of as varchar) as value, rule as reason "
        f"from (select {ROW}, rule, columns_of from {parquet_rows(part)} as columns_of where rule is not null)"
        for file, part in parts.items()
    ]
    return f"{' union all '.join(selects)} order by file, line"


def refuse(setting: str, value: object, usual: object) -> None:
    """Refuse a setting that only KuaiRec's files know.

    Raises:
        InputError: it is not the usual one.
    """
    if value != usual:
        raise InputError(f"--{setting} {value}: only KuaiRec's own files have it", f"Leave out --{setting} or --log.")
