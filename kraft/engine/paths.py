"""Names of files and columns, as SQL text and as facts: whatever characters they hold, they mean themselves."""

from pathlib import Path


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
