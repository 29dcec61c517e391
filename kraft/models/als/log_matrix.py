"""The train period as a matrix on disk, in pages that are mapped while they are needed.

ALS reads the user-item matrix twice a sweep, once by user and once by item. In memory the two would grow
with the rows of the log; on disk they cost nothing but time. The train period streams in by batches, is
checked, and is written in one of two forms:

    CsrPages    8 bytes a stored pair: what implicit's solver reads. Needs sorted tables of counts, in either order.
    DensePages  1 byte a cell, observed or not; by item it is the transpose. It is counted straight from the log, in
                whatever order that is, a block at a time, or written from a sorted table of counts.

Pages are opened for some rows at a time and closed after it, since mapped pages that were read count
as resident memory of the process.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kraft.columns import ITEM_ID, ITEM_INDEX, POSITIVE_INTERACTION, USER_ID, USER_INDEX
from kraft.engine import frames
from kraft.engine.process.malloc_trim import give_back
from kraft.engine.process.memmap import PagedArray
from kraft.errors import InputError

POSITIVE_COUNT = "positive_count"
BATCH_ROWS = 65_536
"""Rows of the log or of the counts in memory at a time: a row group of the tables. Results do not depend on it."""
BLOCK_BYTES = 16 * 1024 * 1024
"""Pages mapped at a time. Results do not depend on it."""
COUNTED_BYTES = 6 * 1024 * 1024
"""Of a dense matrix while a log is counted into it. Results do not depend on it."""
MOST_BLOCKS = 256
"""Into about which a log is shared out at most: each is an open file, of which a process may have 1,024."""
LARGEST_LOOKUP = 1024 * 1024
"""Ids below this are looked up in an array of all of them, 8 MiB at most. Results do not depend on it."""
MOST_POSITIVES = 254
"""The largest count that a code of one byte can hold."""

_REBUILD = "Rebuild the table with python -m jobs.build_features --force."


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

    Where all ids are below `LARGEST_LOOKUP` it looks them up in an array, in less than half the time of a join; else it
    searches for them, which takes longer.

    Args:
        table: Parquet: ``id_name``, integers from 0 on, each once, and ``number_name``, integers.
        id_name: its column of ids.
        number_name: its column of their numbers.
    """
    frame = frames.read_parquet(table).sort(id_name)
    ids, numbers = frame[id_name].to_numpy(), frame[number_name].to_numpy().astype(np.int64)
    if len(ids) and ids[-1] < LARGEST_LOOKUP:
        # The last place is that of all larger ids.
        places = np.full(ids[-1] + 2, -1, np.int64)
        places[ids] = numbers
        return partial(places.take, mode="clip")

    # Whatever is larger than all ids is found behind them.
    padded_ids, padded_numbers = np.append(ids, -1), np.append(numbers, -1)

    def search(wanted: NDArray[np.int32]) -> NDArray[np.int64]:
        places = np.searchsorted(ids, wanted)
        return np.where(padded_ids[places] == wanted, padded_numbers[places], -1)

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
            raise InputError(f"{table}: no column {name} of integers", _REBUILD)
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
            raise InputError(f"{table}: column {name} lacks {found[f'{name} missing']:,} values", _REBUILD)
        for value in (found[f"{name} least"], found[f"{name} most"]):
            if not 0 <= value <= most:
                raise InputError(f"{table}: {name} is {value:,}, but must be from 0 to {most:,}", _REBUILD)
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
            raise InputError(f"{table}: pairs repeat or are not sorted by ({row_name}, {column_name})", _REBUILD)
        last = int(keys[-1])
        if not store_zeros:
            kept = counts > 0
            rows, columns, counts = rows[kept], columns[kept], counts[kept]
        if len(rows):
            yield Batch(rows, columns, counts)


class CsrBlock(NamedTuple):
    """Rows ``first`` to ``last`` - 1 of a matrix in compressed sparse rows; ``indptr`` starts at 0."""

    first: int
    last: int
    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]


class CsrPages(NamedTuple):
    """A matrix in compressed sparse rows: indices and data on disk, ``indptr`` (int64) in memory."""

    indptr: NDArray[np.int64]
    indices: PagedArray[np.int32]
    data: PagedArray[np.float32]

    @classmethod
    def write(cls, batches: Iterator[Batch], n_rows: int, entries: int, folder: Path) -> Self:
        """Write ``batches`` of ``entries`` entries in all to indptr.npy, indices.npy and data.npy of ``folder``.

        Raises:
            InputError: the batches hold more or fewer entries.
        """
        folder.mkdir(parents=True)
        indices = PagedArray.create(folder / "indices.npy", np.int32, (entries,))
        data = PagedArray.create(folder / "data.npy", np.float32, (entries,))
        pages = cls(np.zeros(n_rows + 1, np.int64), indices, data)
        written = 0
        for rows, columns, counts in batches:
            end = written + len(rows)
            if end <= entries:
                # Opened for this batch only: pages that were written stay resident while they are mapped.
                indices.map("r+")[written:end] = columns
                data.map("r+")[written:end] = counts
            pages.indptr[rows[0] + 1 : rows[-1] + 2] += np.bincount(rows - rows[0])
            written = end
        if written != entries:
            raise InputError(f"{folder.name}: {written:,} pairs, but {entries:,} by user", _REBUILD)
        np.cumsum(pages.indptr, out=pages.indptr)
        np.save(folder / "indptr.npy", pages.indptr)
        return pages

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[CsrBlock]:
        """All rows in order, in blocks of at most ``block_bytes`` of pages (or one row, where that is more).

        The arrays are private maps (mode "c"): implicit 0.7.3 refuses read-only buffers.
        """
        entries = block_bytes // 8
        first, n_rows = 0, len(self.indptr) - 1
        while first < n_rows:
            start = self.indptr[first]
            fitting = int(np.searchsorted(self.indptr, start + entries, side="right")) - 1
            last = min(max(fitting, first + 1), n_rows)
            stop = self.indptr[last]
            yield CsrBlock(
                first,
                last,
                (self.indptr[first : last + 1] - start).astype(np.int32),
                self.indices.map("c")[start:stop],
                self.data.map("c")[start:stop],
            )
            first = last


class DensePages(NamedTuple):
    """A matrix of codes on disk: 0 where a pair was never observed, else 1 + its positive count."""

    codes: PagedArray[np.uint8]

    @classmethod
    def write(cls, batches: Iterator[Batch], n_rows: int, n_columns: int, path: Path) -> Self:
        """Write ``batches`` to the .npy file ``path``, whose folder exists.

        Counts must not be above `MOST_POSITIVES` (`CountFacts.most_positives` tells).
        """
        codes = PagedArray.create(path, np.uint8, (n_rows, n_columns))
        for rows, columns, counts in batches:
            codes.map("r+")[rows[0] : rows[-1] + 1][rows - rows[0], columns] = counts + 1
        return cls(codes)

    @classmethod
    def of_log(
        cls, log: Log, n_rows: int, n_columns: int, path: Path, *, store_zeros: bool
    ) -> tuple[Self, CountFacts] | tuple[None, None]:
        """Count ``log`` into the .npy file ``path``, whose folder exists.

        The log comes in any order, and its cells lie all over the matrix: where that is more than `COUNTED_BYTES`, they
        are first shared out to a file for each block of it, 4 bytes an interaction.

        Args:
            log: of ``n_rows`` users and ``n_columns`` videos.
            n_rows: users in all.
            n_columns: videos in all.
            path: the file to make.
            store_zeros: False leaves out pairs without a positive.

        Returns:
            The pages and what they hold (pairs without a positive among it, stored or not); None and None where a
            pair has more than `MOST_POSITIVES`, or the log is empty.

        Raises:
            InputError: a user or a video of the log has no number.
        """
        pages = cls(PagedArray.create(path, np.uint8, (n_rows, n_columns)))
        blocks = list(pages.codes.blocks(max(COUNTED_BYTES, n_rows * n_columns // MOST_BLOCKS)))
        rows = positives = codes = pairs = positive_pairs = most = 0
        with TemporaryDirectory(dir=path.parent, prefix="cells-") as folder:
            for (first, last), parts in zip(blocks, _by_block(log, blocks, n_columns, Path(folder)), strict=True):
                cells = pages.codes.map("r+")[first:last].reshape(-1)
                for met, positive in parts:
                    # Repeated cells add up, which cells[...] += would not let them. Of a number instead of an array of
                    # bytes, NumPy takes five times as long.
                    np.maximum.at(cells, met, np.ones(len(met), np.uint8))
                    np.add.at(cells, met, positive.view(np.uint8))
                    rows, positives = rows + len(met), positives + int(positive.sum())
                codes += int(cells.sum(dtype=np.int64))
                pairs += int(np.count_nonzero(cells))
                positive_pairs += int(np.count_nonzero(cells > 1))
                most = max(most, int(cells.max(initial=0)) - 1)
                if not store_zeros:
                    # A tenth of the time of an assignment where they are.
                    np.subtract(cells, cells == 1, out=cells)
        if unknown := log.n_rows() - rows:
            raise InputError(f"{log.rows}: {unknown:,} rows of users or items without an index", _REBUILD)
        # A count that ran over its byte is 256 short in the sum, and at most one in the pairs.
        if not rows or codes != pairs + positives:
            return None, None
        return pages, CountFacts(pairs, positive_pairs, most)

    def transpose(self, path: Path) -> "DensePages":
        """Write the same matrix with rows and columns exchanged to ``path``."""
        return DensePages(self.codes.transpose(path))

    def read(self, first: int, last: int) -> NDArray[np.uint8]:
        """Rows ``first`` to ``last`` - 1, or fewer at the end; mapped read-only while the array lives."""
        return self.codes.map()[first:last]


Cells = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""Cells of a block of a matrix, counted from its first one, and whether each was met positively: one an interaction."""


def _by_block(log: Log, blocks: list[tuple[int, int]], n_columns: int, folder: Path) -> Iterator[Iterator[Cells]]:
    """The interactions of ``log`` in some cells at a time, block after block."""
    if len(blocks) < 2:  # noqa: PLR2004 - nothing to share out
        yield from (log.batches(n_columns) for _ in blocks)
        return
    # Of every block but the last, which may have fewer.
    block_cells = blocks[0][1] * n_columns
    with ExitStack() as stack:
        files = [stack.enter_context((folder / str(number)).open("wb")) for number in range(len(blocks))]
        for met, positive in log.batches(n_columns):
            block = met // block_cells
            # One number an interaction: a block has fewer than 2^31 cells.
            told = (met - block * block_cells).astype(np.uint32)
            told <<= 1
            told |= positive
            # Of numbers this short NumPy sorts by counting them.
            order = np.argsort(block.astype(np.uint16), kind="stable")
            ends = np.cumsum(np.bincount(block, minlength=len(blocks)))[:-1]
            for file, part in zip(files, np.split(told[order], ends), strict=True):
                file.write(part.data)
    # The memory of either part would stay beside what comes after it: 5 to 10 MiB.
    give_back()
    yield from (_told(folder / str(number)) for number in range(len(blocks)))
    give_back()


def _told(path: Path) -> Iterator[Cells]:
    with path.open("rb") as file:
        while len(part := np.fromfile(file, np.uint32, BATCH_ROWS)):
            yield (part >> 1).astype(np.int64), (part & 1).astype(np.bool_)
    path.unlink()
