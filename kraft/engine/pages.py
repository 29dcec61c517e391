"""Arrays on disk that are mapped into memory page by page."""

import os
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike


def create(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """A .npy file of zeros, with its room on the disk.

    Raises:
        OSError: the disk has no room. Unless it is asked for now, the first page that finds none kills the process
            (SIGBUS).
    """
    size = open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape).nbytes
    if size and hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None
