"""Returns freed memory that the C library keeps."""

import ctypes


def give_back() -> None:
    """Return the pages of freed memory to the system (glibc only; elsewhere nothing happens).

    A stage keeps freed pages for its next allocations (`worker.ENVIRONMENT`). Call this between two parts of a stage
    that allocate different sizes: else the pages of the first stay resident beside those of the second.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
