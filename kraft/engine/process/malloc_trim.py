"""Memory that was freed and that the C library keeps."""

import ctypes


def give_back() -> None:
    """Give the pages of freed memory back to the system, where the C library can (glibc; elsewhere nothing happens).

    A stage keeps them for its next allocations (`worker.ENVIRONMENT`), which is the faster way as long
    as these are of the same sizes. Between two parts of a stage that are not, the first one's would stay beside what
    the second one allocates.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
