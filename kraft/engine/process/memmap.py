"""Arrays on disk that are mapped into memory page by page."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

Cell = TypeVar("Cell", bound=np.generic)

TURN_BYTES = 4 * 1024 * 1024
"""Bytes of either file that are mapped at a time while a matrix is transposed."""


@dataclass(frozen=True)
class PagedArray(Generic[Cell]):
    """An array in a .npy file. Any thread maps parts of it while it needs them.

    The layout is kept, not read again: NumPy parses headers with `ast`, which in CPython 3.11 can fail if several
    threads do it at once (SystemError).
    """

    path: Path
    kind: type[Cell]
    shape: tuple[int, ...]
    offset: int
    """Bytes before the first cell."""

    @classmethod
    def create(cls, path: Path, kind: type[Cell], shape: tuple[int, ...]) -> Self:
        """Make the file ``path``, whose folder exists: zeros, with their room on the disk.

        Raises:
            OSError: the disk is full. Without this check, writing a page would kill the process (SIGBUS).
        """
        made = open_memmap(path, mode="w+", dtype=np.dtype(kind), shape=shape)
        if made.nbytes and hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
                except OSError as error:
                    raise OSError(error.errno, error.strerror, str(path)) from None
        return cls(path, kind, shape, made.offset)

    def map(self, mode: Literal["r", "r+", "c"] = "r") -> NDArray[Cell]:
        """The whole array, to read, to write, or to change in memory only ("c").

        Touched pages stay resident as long as the array or a part of it lives: delete it after each part.
        """
        return np.memmap(self.path, self.kind, mode, self.offset, self.shape)

    def blocks(self, block_bytes: int) -> Iterator[tuple[int, int]]:
        """Cuts of the first axis into blocks of at most ``block_bytes``, or of one row where that is more."""
        rows, *row = self.shape
        row_bytes = np.dtype(self.kind).itemsize * int(np.prod(row, dtype=np.int64))
        return itertools.pairwise([*range(0, rows, max(block_bytes // max(row_bytes, 1), 1)), rows])

    def transpose(self, path: Path, block_bytes: int = TURN_BYTES) -> "PagedArray[Cell]":
        """Write a matrix with rows and columns exchanged to ``path``, in blocks of ``block_bytes`` of either.

        A block of rows of the new file is filled from all rows of the old one, which is read once for each.
        """
        turned = PagedArray.create(path, self.kind, self.shape[::-1])
        for first, last in turned.blocks(block_bytes):
            block = turned.map("r+")[first:last]
            for top, bottom in self.blocks(block_bytes):
                block[:, top:bottom] = self.map()[top:bottom, first:last].T
        return turned
