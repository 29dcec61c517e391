"""The parts of a described log as sources for the files of `sql/log`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kraft.columns import NUMERICAL_FEATURES, ONEHOT_FEATURES
from kraft.engine.paths import file_state, parquet_rows, quoted
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import AbsentFile, Source
from kraft.errors import InputError

OVERRIDES: Final = {
    "interactions": "described_interactions",
    "raw_user_features": "described_users",
    "raw_item_categories": "described_categories",
    "raw_item_daily_features": "described_items",
    "raw_kuairec_caption_category": "described_texts",
}
"""Table -> the file of `sql/` that makes it of a described log."""
ID_TABLES: Final = ("user_ids", "item_ids")
"""Tables that say which number is which of the log's own ids."""
ROW: Final = "described_row"
"""Column of the parts: the row's number in its file, from 1; only where rows have no time."""
USER_COLUMNS: Final = {
    "user_active_degree": "VARCHAR",
    **dict.fromkeys(NUMERICAL_FEATURES, "INTEGER"),
    **dict.fromkeys(ONEHOT_FEATURES, "DOUBLE"),
}
"""Attributes of users that KRAFT has features for, and their types."""
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
        rows: rows of each, if the rows are in the order of time and have none: their time is their number then.
    """

    path: Path
    files: tuple[Path, ...]
    rows: tuple[int, ...] = ()

    def state(self) -> str:
        states = "\n".join(file_state(file) for file in self.files)
        return hashlib.sha256(f"{states}\n{self.rows}".encode()).hexdigest()[:16]

    def register(self, connection: Connection, name: str) -> None:
        selects = []
        before = 0
        for index, file in enumerate(self.files):
            numbered = f" replace (cast({ROW} - 1 + {before} as double) as timestamp)" if self.rows else ""
            selects.append(f"select * exclude (rule){numbered} from {parquet_rows(file)} where rule is null")  # noqa: S608
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
        return Parts(description, found) if found else AbsentFile(dict(columns))

    sources = {
        "log_rows": log,
        "log_users": parts(users, {"user_key": "VARCHAR", **USER_COLUMNS}),
        "log_items": parts(items, ITEM_COLUMNS),
    }
    return sources, {"raw_social_network": AbsentFile({"user_id": "INTEGER", "friend_list": "VARCHAR"})}


def refuse(setting: str, value: object, usual: object) -> None:
    """Refuse a setting that only KuaiRec's files know.

    Raises:
        InputError: it is not the usual one.
    """
    if value != usual:
        raise InputError(f"--{setting} {value}: only KuaiRec's own files have it", f"Leave out --{setting} or --log.")
