"""Pairs whose user or video the models have not met: scored all the same, and counted, so that a summary can say so."""

from pathlib import Path
from typing import Final

from kraft import columns
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store

_KINDS: Final = {
    "users": (columns.USER_ID, "user_index", ("user_features", "interactions", "interactions_test")),
    "videos": (columns.ITEM_ID, "item_index", ("video_metadata", "interactions", "interactions_test")),
}
"""Kind -> its column of ids, the table of those in the train period, and the tables of all that are known."""


def count_cold(connection: Connection, pairs: Path, store: Store) -> dict[str, dict[str, int]]:
    """For `users` and `videos`: `pairs` of such that are not in the train period, `ids`, how many they are, and
    `unknown`, how many of these are in no table at all.

    Args:
        connection: reads the tables.
        pairs: Parquet file with user_id and item_id.
        store: the work folder, whose tables are up to date.
    """
    Parquet(pairs).register(connection, "pairs")
    return {kind: _count(connection, store, *names) for kind, names in _KINDS.items()}


def _count(connection: Connection, store: Store, column: str, train: str, known: tuple[str, ...]) -> dict[str, int]:
    for name in (train, *known):
        Parquet(store.table(name)).register(connection, name)
    cold = f"select {column} as id from pairs anti join {train} using ({column})"  # noqa: S608 - names of ours
    counted = connection.execute(f"select count(*), count(distinct id) from ({cold})").fetchall()  # noqa: S608
    found = dict(zip(("pairs", "ids"), counted[0], strict=True))
    if not found["pairs"]:
        return {**found, "unknown": 0}
    listed = " union all ".join(f"select {column} as id from {name}" for name in known)  # noqa: S608
    ((unknown,),) = connection.execute(
        f"select count(distinct id) from ({cold}) anti join ({listed}) using (id)"  # noqa: S608
    ).fetchall()
    return {**found, "unknown": unknown}
