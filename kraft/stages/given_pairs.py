"""Features of any pairs of users and videos, from the same files of `sql/` as those of the test pairs.

The given pairs take the place of the test pairs: `ranker_test` or `pair_features` does not know the difference. Users
and videos that were never seen get what the preset gives cold ones.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from kraft import columns
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.given import ID, TIME
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import open_session
from kraft.engine.sql.sources import Chunk, Parquet, Source
from kraft.engine.workspace.store import Store
from kraft.settings import Settings
from kraft.stages.preset import preset_of

PAIR_COLUMNS: Final = {
    columns.USER_ID: "INTEGER",
    columns.ITEM_ID: "INTEGER",
    # Of test pairs; others need not have them.
    columns.POSITIVE_INTERACTION: "BOOLEAN",
    columns.TIMESTAMP: "DOUBLE",
}
OPTIONAL_COLUMNS: Final = frozenset((columns.POSITIVE_INTERACTION, columns.TIMESTAMP))
PAIRS: Final = {columns.USER_ID: ID, columns.ITEM_ID: ID, columns.TIMESTAMP: TIME}
"""What a user's file of pairs must hold."""
_BY_USER: Final = ("user_affinity",)
"""Inputs with so many rows a user that only those of the users asked for are read: else every block of recommendations
would take time that grows with all users."""


def write_features(
    pairs: Path, store: Store, settings: Settings, folder: Path, *, builder: Callable[..., Builder] | None = None
) -> Path:
    """Write the features of ``pairs``, in their order; `Preset.open_rows` reads them.

    Args:
        pairs: Parquet file with user_id and item_id, sorted by both; more columns are passed over.
        store: the work folder, whose tables are up to date.
        settings: preset, memory limit and threads.
        folder: gets the folder `pairs` for the tables; nothing of that name may be there.
        builder: the engine that makes the table; by default DuckDB's.

    Returns:
        The Parquet file, one row a pair: the preset's `pair_table`.
    """
    preset = preset_of(settings)
    given = RawFile(pairs, PAIR_COLUMNS, optional=OPTIONAL_COLUMNS)
    sources: dict[str, Source] = {name: Parquet(store.table(name)) for name in preset.pair_inputs}
    sources |= {"interactions": given, "interactions_test": given}
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
        given.register(connection, "pairs")
        found = f"coalesce(min({columns.USER_ID}), 0), coalesce(max({columns.USER_ID}), -1)"
        least, most = connection.view("pairs").aggregate(found).fetchall()[0]
        for name in sources.keys() & set(_BY_USER):
            sources[name] = Chunk(store.table(name), columns.USER_ID, least, most)
        own = Store(folder / "pairs")
        make = builder or Builder
        return make(connection, own, sources, {}, Progress(-1), threads=settings.threads).ensure(preset.pair_table)
