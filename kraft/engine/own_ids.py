"""The log's own ids, of any type, and the numbers that stand for them inside KRAFT.

KuaiRec's ids are such numbers themselves. Of a described log the tables `user_ids` and `item_ids` say which is which:
what a user gives is numbered when it is read, and what leaves gets the log's own ids back.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kraft import columns
from kraft.engine.workspace.snapshots import ID_TABLES
from kraft.engine.workspace.store import Store
from kraft.errors import InputError

if TYPE_CHECKING:
    import polars as pl

MOST_ID: Final = 2**31 - 1
_INTEGER: Final = r"^(0|-?[1-9][0-9]{0,17})$"
"""How an integer is written; 007 is a text."""


def id_tables(store: Store) -> dict[str, Path]:
    """Column -> file of the table that numbers its ids; none if ids are numbers."""
    known = store.manifest()
    return {column: store.table(name) for column, name in ID_TABLES.items() if name in known}


def with_own_ids(table: Path, store: Store, folder: Path) -> Path:
    """A table with the log's own ids in place of numbers: itself if ids are numbers, else a copy in ``folder``.

    Ids are integers in it if all are written as such, else texts. Memory: the ids of the log.
    """
    numbered = id_tables(store)
    if not numbered:
        return table
    from kraft.engine import frames  # noqa: PLC0415 - a job that only looks up one id has no Polars

    frame = frames.scan_parquet(table)
    order = frame.collect_schema().names()
    for column, ids in numbered.items():
        if column in order:
            known = with_integers(ids, "id").select(column, "id")
            frame = frame.join(known, on=column, how="left", maintain_order="left").drop(column).rename({"id": column})
    written = folder / f"own-{table.name}"
    frame.select(order).sink_parquet(written)
    return written


def with_integers(table: Path, *ids: str) -> "pl.LazyFrame":
    """A table with those columns ``ids`` of texts as integers in which every value is written as one."""
    import polars as pl  # noqa: PLC0415

    from kraft.engine import frames  # noqa: PLC0415

    integers = [name for name in ids if _all_integers(table, name)]
    return frames.scan_parquet(table).with_columns(pl.col(name).cast(pl.Int64) for name in integers)


def number_of(own: str, column: str, store: Store) -> int:
    """The number of one of the log's own ids.

    Raises:
        InputError: it is not an id of the log.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    tables = id_tables(store)
    option, kind = ("--user", "user") if column == columns.USER_ID else ("--item", "item")
    if not tables:
        return check_number(option, own)
    found = pq.read_table(tables[column], columns=[column], filters=[("id", "=", own)])
    if not len(found):
        raise InputError(f"{option} {own}: no such {kind} in the log or in the files beside it", "Give one of its ids.")
    return int(found[column][0].as_py())


def _all_integers(table: Path, column: str) -> bool:
    """Whether all texts in a column are written as integers."""
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(table) as file:
        batches = file.iter_batches(columns=[column])
        return all(pc.all(pc.match_substring_regex(batch[column], _INTEGER)).as_py() for batch in batches)


def check_number(option: str, own: str) -> int:
    """An id that is a number.

    Raises:
        InputError: it is none.
    """
    if not own.isascii() or not own.isdigit() or int(own) > MOST_ID:
        raise InputError(f"{option} {own}: not an id, an integer from 0 to {MOST_ID:,}", "Give an id of the log.")
    return int(own)


def own_ids(numbers: Mapping[str, Iterable[int]], store: Store) -> dict[tuple[str, int], int | str]:
    """(column, number) -> the log's own id, of a few numbers by column; as in `with_own_ids`."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    tables = id_tables(store)
    asked = {column: set(listed) for column, listed in numbers.items()}
    found: dict[tuple[str, int], int | str] = {(name, one): one for name, listed in asked.items() for one in listed}
    for column, table in tables.items():
        if listed := sorted(asked.get(column, ())):
            rows = pq.read_table(table, filters=[(column, "in", listed)])
            known = {(column, row[column]): row["id"] for row in rows.to_pylist()}
            found |= {key: int(own) for key, own in known.items()} if _all_integers(table, "id") else known
    return found
