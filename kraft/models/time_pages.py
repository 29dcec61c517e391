"""Watch times as a matrix on disk, read in slabs of rows: by user, and by video.

A cell is a mean log watch time, NaN where the user never met the video. Only videos with a history have a
column. Two files of 4 bytes a cell; one slab of each is resident at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from kraft.engine.pages import create

BATCH_ROWS = 122_880
SLAB_ROWS = 256
"""Rows that are solved together at most. A constant, because the last bits of the sums depend on it."""
SLAB_BYTES = 3 * 1024 * 1024
"""Of the cells of a slab: where the columns are many, it has fewer rows. A constant as well."""
LEAST_SLAB_ROWS = 16
TURN_SIDE = 512
"""Rows and columns of the tiles in which a matrix is turned: half a page of 4 KiB each row, so that what of either file
is mapped at a time stays below 4 MiB."""

Floats = NDArray[np.float32]


class Slab(NamedTuple):
    """Rows ``first`` to ``last`` - 1 of the matrix."""

    first: int
    last: int
    seen: Floats
    """Shape (last - first, n_columns): 1 where the pair met, else 0."""
    times: Floats
    """The same shape: the cell less the mean of all cells; 0 where the pair never met."""


class TimePages(NamedTuple):
    """One side's matrix of log watch times."""

    path: Path
    n_rows: int
    n_columns: int
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
        frame = pl.scan_parquet(table)
        videos = frame.select(pl.col("video_index").unique().sort()).collect(engine="streaming").to_series().to_numpy()
        facts = frame.select(
            (pl.col("user_index").max() + 1).fill_null(0).alias("users"),
            pl.len().alias("cells"),
            # Whole numbers, so that the sum does not depend on how the rows were shared out.
            (pl.col("log_time") * 1e6).round().cast(pl.Int64).sum().alias("total"),
        ).collect(engine="streaming")
        n_users, cells, total = facts.row(0)
        place = np.full(int(videos.max(initial=-1)) + 1, -1, np.int32)
        place[videos] = np.arange(len(videos), dtype=np.int32)
        mean = total / 1e6 / max(cells, 1)
        by_user = cls(folder / "users.npy", n_users, len(videos), mean, cells)
        create(by_user.path, np.float32, (n_users, len(videos)))
        # Here and below, opened for one part only: pages that were touched stay resident while they are mapped.
        for first, last in by_user.slabs():
            open_memmap(by_user.path, mode="r+")[first:last] = np.nan
        names = ("user_index", "video_index", "log_time")
        batches = frame.select(names).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming")
        for batch in batches:
            if batch.is_empty():
                continue
            rows, columns, times = (batch[name].to_numpy() for name in names)
            first, last = int(rows[0]), int(rows[-1]) + 1
            open_memmap(by_user.path, mode="r+")[first:last][rows - first, place[columns]] = times - mean
        return by_user, by_user._turned(folder / "videos.npy"), videos.astype(np.int32)

    def _turned(self, path: Path) -> Self:
        """The same matrix with rows and columns exchanged, written to ``path``."""
        turned = self._replace(path=path, n_rows=self.n_columns, n_columns=self.n_rows)
        create(path, np.float32, (turned.n_rows, turned.n_columns))
        for top in range(0, self.n_rows, TURN_SIDE):
            for left in range(0, self.n_columns, TURN_SIDE):
                rows, columns = slice(top, top + TURN_SIDE), slice(left, left + TURN_SIDE)
                source = np.load(self.path, mmap_mode="r", allow_pickle=False)
                open_memmap(path, mode="r+")[columns, rows] = source[rows, columns].T
        return turned

    def slabs(self) -> Iterator[tuple[int, int]]:
        """Cuts of the rows into slabs of `SLAB_ROWS`, or of as many as `SLAB_BYTES` hold."""
        height = min(SLAB_ROWS, max(SLAB_BYTES // 4 // max(self.n_columns, 1), LEAST_SLAB_ROWS))
        for first in range(0, self.n_rows, height):
            yield first, min(first + height, self.n_rows)

    def read(self, first: int, last: int) -> Slab:
        """One slab, as copies: no page stays mapped."""
        cells = np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[first:last])
        met = ~np.isnan(cells)
        np.nan_to_num(cells, copy=False, nan=0.0)
        return Slab(first, last, met.astype(np.float32), cells)
