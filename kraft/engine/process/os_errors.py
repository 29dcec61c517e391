"""Errors of the machine in words: a full disk, a missing permission, no memory."""

import errno
import os
import re
import sys
from typing import TYPE_CHECKING, Final

from kraft.errors import EngineError, KraftError, MachineError, add_notes, notes_of

if TYPE_CHECKING:
    import duckdb

_SPACE: Final = "Free some disk space, or give a --work folder on a larger disk."
_PERMISSION: Final = "Choose folders that you may read and write."
_REMEDIES: Final = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "A limit on the size of files stands in the way (ulimit -f).",
    errno.EROFS: _PERMISSION,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.ENOENT: "It was there a moment ago: let nothing else change these files while a job runs.",
    errno.EXDEV: "The folder `tmp` of the work folder has to be on the same disk as the rest of it.",
    errno.EMFILE: "Raise the limit on open files (ulimit -n).",
    errno.ENFILE: "Close other programs: the system has no more open files to give.",
    errno.EIO: "The disk is failing, or was taken away.",
    errno.ENODEV: "The disk was taken away.",
    errno.ENOMEM: "Close other programs, or lower --memory-limit and --threads.",
}
_SPOKEN: Final = re.compile(r'os error (\d+)|\[errno (\d+)\]|errno"?[ :=]+"?(\d+)', re.IGNORECASE)
"""How Rust, Arrow and C++ write an errno into a text."""
_SHORT_WRITE: Final = re.compile(r"\d+ requested and \d+ written")
"""NumPy's message if the disk took only a part."""


def explained(error: Exception, during: str = "") -> KraftError | None:
    """``error`` as an error that the user can act on; None if it is a defect of KRAFT.

    ``during`` says what was being done, for errors that name no file.
    """
    if isinstance(error, KraftError):
        return error
    if isinstance(error, MemoryError):
        return MachineError("the system has no memory to give", _REMEDIES[errno.ENOMEM])
    if isinstance(error, OSError) or _is_of_a_reader(error):
        number = _errno(error)
        if number in _REMEDIES:
            where = str(error.filename) if isinstance(error, OSError) and error.filename else during
            problem = f"{where}: {_words(number)}" if where else _words(number)
            known = MachineError(problem, f"{_REMEDIES[number]} Nothing was published.")
            add_notes(known, notes_of(error))
            return known
    return None


def of_duckdb(error: "duckdb.Error", during: str) -> KraftError | None:
    """`explained` for an error of DuckDB, which also fails without an errno."""
    import duckdb  # noqa: PLC0415 - who has its error has loaded it

    if known := explained(error, during):
        return known
    first = str(error).splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return MachineError(f"{during}: {first}", "Raise --memory-limit, or free disk space in the work folder.")
    if isinstance(error, duckdb.IOException):
        return MachineError(f"{during}: {first}", "Nothing was written.")
    if isinstance(error, duckdb.InternalException | duckdb.FatalException):
        # The other lines are a stack trace.
        return EngineError(
            f"{during}: DuckDB failed by itself: {first}",
            "Run the job again: it goes on from the tables that are finished. If it fails again, report this line.",
        )
    return None


def _errno(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if found := _SPOKEN.search(text):
        return int(next(filter(None, found.groups())))
    if _SHORT_WRITE.search(text) or "No space left" in text:
        return errno.ENOSPC
    return 0


def _words(number: int) -> str:
    text = os.strerror(number)
    return text[0].lower() + text[1:]


def _is_of_a_reader(error: Exception) -> bool:
    """Whether a loaded library that reads and writes files raised it."""
    duckdb, polars, lightgbm = (sys.modules.get(name) for name in ("duckdb", "polars", "lightgbm"))
    kinds: list[type[BaseException]] = []
    if duckdb:
        kinds += [duckdb.Error]
    if polars:
        kinds += [polars.exceptions.ComputeError]
    if lightgbm:
        kinds += [lightgbm.basic.LightGBMError]
    return isinstance(error, tuple(kinds))
