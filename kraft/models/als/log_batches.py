"""What ALS reads: the log of the train period, or tables of counts, a batch at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kraft.columns import ITEM_ID, ITEM_INDEX, POSITIVE_INTERACTION, USER_ID, USER_INDEX
from kraft.engine import frames
from kraft.errors import InputError

POSITIVE_COUNT = "positive_count"
BATCH_ROWS = 65_536
"""Rows of the log or of the counts in memory at a time: a row group of the tables. Results do not depend on it."""
LARGEST_LOOKUP = 1024 * 1024
"""Ids below this are looked up in an array of all of them, 8 MiB at most. Results do not depend on it."""
REBUILD = "Rebuild the table with python -m jobs.build_features --force."


class CountFacts(NamedTuple):
    """What a table of counts holds: its pairs, those with a positive, and the largest count of one pair."""

    pairs: int
    positive_pairs: int
    most_positives: int


@dataclass(frozen=True)
class Log:
    """The train period and the tables that number its users and videos: Parquet files."""

    rows: Path
    """One row an interaction, in any order: user_id, item_id, positive_interaction (boolean)."""
    users: Path
    """user_id, user_index: 0-based, each once."""
    items: Path
    """item_id, item_index: 0-based, each once."""

    def n_rows(self) -> int:
        """Its interactions."""
        return int(frames.scan_parquet(self.rows).select(pl.len()).collect().item())

    def batches(self, n_items: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
        """Of some interactions at a time, in any order: the cells user_index * ``n_items`` + item_index, and whether
        each was positive. Interactions of users or videos without a number are left out.
        """
        user_number = numbering(self.users, USER_ID, USER_INDEX)
        item_number = numbering(self.items, ITEM_ID, ITEM_INDEX)
        frame = frames.scan_parquet(self.rows).select(USER_ID, ITEM_ID, POSITIVE_INTERACTION)
        for batch in frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=False, engine="streaming"):
            users = user_number(batch[USER_ID].to_numpy())
            items = item_number(batch[ITEM_ID].to_numpy())
            cells, positive = users * n_items + items, batch[POSITIVE_INTERACTION].to_numpy()
            known = (users >= 0) & (items >= 0)
            yield (cells, positive) if known.all() else (cells[known], positive[known])


def numbering(table: Path, id_name: str, number_name: str) -> Callable[[NDArray[np.int32]], NDArray[np.int64]]:
    """A function that turns ids into their numbers, and those that have none into -1.

    If all ids are below `LARGEST_LOOKUP` it looks them up in an array, in less than half the time of a join; else it
    searches for them, which takes longer.

    Args:
        table: Parquet: ``id_name``, integers from 0 on, each once, and ``number_name``, integers.
        id_name: its column of ids.
        number_name: its column of their numbers.
    """
    frame = frames.read_parquet(table).sort(id_name)
    ids, numbers = frame[id_name].to_numpy(), frame[number_name].to_numpy().astype(np.int64)
    if len(ids) and ids[-1] < LARGEST_LOOKUP:
        # The last entry stands for all larger ids.
        by_id = np.full(ids[-1] + 2, -1, np.int64)
        by_id[ids] = numbers
        return partial(by_id.take, mode="clip")

    # Whatever is larger than all ids is found behind them.
    padded_ids, padded_numbers = np.append(ids, -1), np.append(numbers, -1)

    def search(wanted: NDArray[np.int32]) -> NDArray[np.int64]:
        found = np.searchsorted(ids, wanted)
        return np.where(padded_ids[found] == wanted, padded_numbers[found], -1)

    return search


class Batch(NamedTuple):
    """Consecutive entries of the matrix, sorted by (row, column); three arrays of the same length."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    counts: NDArray[np.int32]


def inspect_counts(table: Path, n_users: int, n_items: int) -> CountFacts:
    """Check the columns and ranges of a table of counts and summarise it, in one streamed pass.

    Args:
        table: Parquet, one row a (user, item) pair: integers user_index, item_index (0-based), positive_count.
        n_users: user_index must be less.
        n_items: item_index must be less.

    Raises:
        InputError: no pairs, a column missing or not of integers, a missing value, or one out of range.
    """
    frame = frames.scan_parquet(table)
    schema = frame.collect_schema()
    limits = {USER_INDEX: n_users - 1, ITEM_INDEX: n_items - 1, POSITIVE_COUNT: np.iinfo(np.int32).max}
    for name in limits:
        if name not in schema or not schema[name].is_integer():
            raise InputError(f"{table}: no column {name} of integers", REBUILD)
    found = (
        frame.select(
            pl.len().alias("pairs"),
            (pl.col(POSITIVE_COUNT) > 0).sum().alias("positive"),
            *(pl.col(name).null_count().alias(f"{name} missing") for name in limits),
            *(pl.col(name).min().alias(f"{name} least") for name in limits),
            *(pl.col(name).max().alias(f"{name} most") for name in limits),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    if not found["pairs"]:
        raise InputError(
            f"{table}: no user-item pairs to learn from", "Check that the train period holds interactions."
        )
    for name, most in limits.items():
        if found[f"{name} missing"]:
            raise InputError(f"{table}: column {name} lacks {found[f'{name} missing']:,} values", REBUILD)
        for value in (found[f"{name} least"], found[f"{name} most"]):
            if not 0 <= value <= most:
                raise InputError(f"{table}: {name} is {value:,}, but must be from 0 to {most:,}", REBUILD)
    return CountFacts(found["pairs"], found["positive"], found[f"{POSITIVE_COUNT} most"])


def read_batches(table: Path, row_name: str, column_name: str, n_columns: int, *, store_zeros: bool) -> Iterator[Batch]:
    """The entries of a checked table of counts, in their order, `BATCH_ROWS` at a time.

    Args:
        table: as in `inspect_counts`, sorted by (``row_name``, ``column_name``), each pair once.
        row_name: user_index or item_index: the rows of the matrix.
        column_name: the other one.
        n_columns: columns of the matrix.
        store_zeros: False leaves out pairs without a positive.

    Raises:
        InputError: a pair repeats or is out of order.
    """
    last = -1
    names = (row_name, column_name, POSITIVE_COUNT)
    frame = frames.scan_parquet(table).select(pl.col(name).cast(pl.Int32) for name in names)
    for batch in frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming"):
        if batch.is_empty():
            continue
        rows, columns, counts = (batch[name].to_numpy() for name in names)
        keys = rows.astype(np.int64) * n_columns + columns
        if keys[0] <= last or not bool((keys[1:] > keys[:-1]).all()):
            raise InputError(f"{table}: pairs repeat or are not sorted by ({row_name}, {column_name})", REBUILD)
        last = int(keys[-1])
        if not store_zeros:
            kept = counts > 0
            rows, columns, counts = rows[kept], columns[kept], counts[kept]
        if len(rows):
            yield Batch(rows, columns, counts)
