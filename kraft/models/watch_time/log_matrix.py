"""Watch times as a matrix on disk, read in blocks of rows: by user, and by video.

A cell is a mean log watch time, NaN if the user never met the video. Only videos with a history have a
column. Two files of 4 bytes a cell; one block of each is resident at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kraft.engine import frames
from kraft.engine.process.memmap import PagedArray

BATCH_ROWS = 122_880
BLOCK_ROWS = 256
"""Rows that are solved together at most. A constant, because the last bits of the sums depend on it."""
BLOCK_BYTES = 3 * 1024 * 1024
"""Of the cells of a block: where the columns are many, it has fewer rows. A constant as well."""
LEAST_BLOCK_ROWS = 16

Floats = NDArray[np.float32]


class Block(NamedTuple):
    """Rows ``first`` to ``last`` - 1 of the matrix."""

    first: int
    last: int
    seen: Floats
    """Shape (last - first, n_columns): 1 where the pair met, else 0."""
    times: Floats
    """The same shape: the cell less the mean of all cells; 0 where the pair never met."""


class TimePages(NamedTuple):
    """One side's matrix of log watch times."""

    matrix: PagedArray[np.float32]
    """Shape (n_rows, n_columns): the cell less the mean of all cells; NaN if the pair never met."""
    mean: float
    """Of all cells that are not NaN [log s]."""
    cells: int
    """Cells that are not NaN."""

    @classmethod
    def write(cls, table: Path, folder: Path) -> tuple[Self, Self, NDArray[np.int32]]:
        """Write the pages of `watch_times` into ``folder``, which exists.

        Args:
            table: Parquet, one row a (user, video) pair: user_index, video_index, log_time; sorted by both.
            folder: for users.npy and videos.npy.

        Returns:
            The matrix by user; the same by video; and the video_index of each column, ascending.
        """
        frame = frames.scan_parquet(table)
        videos = frame.select(pl.col("video_index").unique().sort()).collect(engine="streaming").to_series().to_numpy()
        facts = frame.select(
            (pl.col("user_index").max() + 1).fill_null(0).alias("users"),
            pl.len().alias("cells"),
            # Whole numbers, so that the sum does not depend on how the rows were shared out.
            (pl.col("log_time") * 1e6).round().cast(pl.Int64).sum().alias("total"),
        ).collect(engine="streaming")
        n_users, cells, total = facts.row(0)
        column_of = np.full(int(videos.max(initial=-1)) + 1, -1, np.int32)
        column_of[videos] = np.arange(len(videos), dtype=np.int32)
        mean = total / 1e6 / max(cells, 1)
        matrix = PagedArray.create(folder / "users.npy", np.float32, (n_users, len(videos)))
        by_user = cls(matrix, mean, cells)
        # Here and below, opened for one part only: pages that were touched stay resident while they are mapped.
        for first, last in by_user.blocks():
            matrix.map("r+")[first:last] = np.nan
        names = ("user_index", "video_index", "log_time")
        batches = frame.select(names).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming")
        for batch in batches:
            if batch.is_empty():
                continue
            rows, columns, times = (batch[name].to_numpy() for name in names)
            first, last = int(rows[0]), int(rows[-1]) + 1
            matrix.map("r+")[first:last][rows - first, column_of[columns]] = times - mean
        by_video = cls(matrix.transpose(folder / "videos.npy"), mean, cells)
        return by_user, by_video, videos.astype(np.int32)

    @property
    def n_rows(self) -> int:
        """Users, or videos with a history."""
        return self.matrix.shape[0]

    @property
    def n_columns(self) -> int:
        """The other ones."""
        return self.matrix.shape[1]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Cuts of the rows into blocks of `BLOCK_ROWS`, or of as many as `BLOCK_BYTES` hold."""
        height = min(BLOCK_ROWS, max(BLOCK_BYTES // 4 // max(self.n_columns, 1), LEAST_BLOCK_ROWS))
        for first in range(0, self.n_rows, height):
            yield first, min(first + height, self.n_rows)

    def read(self, first: int, last: int) -> Block:
        """One block, as copies: no page stays mapped."""
        cells = np.array(self.matrix.map()[first:last])
        met = ~np.isnan(cells)
        np.nan_to_num(cells, copy=False, nan=0.0)
        return Block(first, last, met.astype(np.float32), cells)
