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

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kraft.engine.process.malloc_trim import give_back
from kraft.engine.process.memmap import PagedArray
from kraft.errors import InputError
from kraft.models.als.log_batches import BATCH_ROWS, REBUILD, Batch, CountFacts, Log

BLOCK_BYTES = 16 * 1024 * 1024
"""Pages mapped at a time. Results do not depend on it."""
COUNTED_BYTES = 6 * 1024 * 1024
"""Of a dense matrix while a log is counted into it. Results do not depend on it."""
MOST_BLOCKS = 256
"""Into about which a log is shared out at most: each is an open file, of which a process may have 1,024."""
MOST_POSITIVES = 254
"""The largest count that a code of one byte can hold."""


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
            raise InputError(f"{folder.name}: {written:,} pairs, but {entries:,} by user", REBUILD)
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
            The pages and what they hold (pairs without a positive among it, stored or not); None and None if a
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
            raise InputError(f"{log.rows}: {unknown:,} rows of users or items without an index", REBUILD)
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
