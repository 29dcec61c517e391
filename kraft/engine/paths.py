r"""Names of files and columns, as SQL text and as facts: whatever characters they hold, they mean themselves.

DuckDB takes a file name for a pattern, so the signs of one are put in brackets (`pattern`); Polars is told not to
(`kraft.engine.frames`). What cannot be said in either way, `check_name` refuses.
"""

import os
import re
from pathlib import Path

from kraft.errors import InputError

_SIGNS = re.compile(r"([\[*?])")
"""What begins a pattern in DuckDB. A closing bracket without an opening one is plain text."""

_RENAME = "Rename the folder or file, or give another path."


def file_state(path: Path) -> str:
    """What tells a changed file apart without reading it: path, size and time of change."""
    state = path.stat()
    return f"{path.resolve()}:{state.st_size}:{state.st_mtime_ns}"


def quoted(name: str) -> str:
    """``name`` as a SQL identifier.

    >>> quoted('a "b"; c')
    '"a ""b""; c"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a SQL string, for the few statements that take no bound values.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def pattern(path: Path) -> str:
    """The pattern of DuckDB's that only the file ``path`` matches. Absolute: `~` and `s3:` are names, too.

    A session that is confined (`kraft.engine.sql.session`) has to allow the pattern beside the name.

    >>> pattern(Path("/data [1]/*.csv"))
    '/data [[]1]/[*].csv'
    """
    return _SIGNS.sub(r"[\1]", str(path.absolute()))


def parquet_rows(path: Path) -> str:
    """SQL for the rows of a Parquet file; a folder called `a=b` gives it no column.

    >>> parquet_rows(Path("/work/a.parquet"))
    "read_parquet('/work/a.parquet', hive_partitioning = false)"
    """
    return f"read_parquet({literal(pattern(path))}, hive_partitioning = false)"


def check_name(option: str, path: Path, *, work: bool = False) -> None:
    r"""Refuse a path that DuckDB cannot be given, before any work.

    Args:
        option: that names it, for the message.
        path: of a file, or of a folder with files.
        work: whether it is a work folder: DuckDB opens databases and spills there, and takes a backslash for a slash.

    Raises:
        InputError: it is not UTF-8; it has a backslash, and is a work folder or has one of [ * ? too (in a pattern a
            backslash cannot be escaped).
    """
    # A work folder is known by what its links lead to.
    name = os.path.realpath(path) if work else str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise InputError(f"{option} {shown}: the name is not UTF-8", _RENAME) from None
    if "\\" in name and (work or _SIGNS.search(name)):
        beside = "" if work else " beside [, * or ?"
        raise InputError(f"{option} {path}: a backslash{beside} in a path cannot be told to DuckDB ({name})", _RENAME)
