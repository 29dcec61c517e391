"""Where a logical table comes from: a Parquet file of the work folder, or a raw file.

A source registers itself as a view, so that the files of `sql/` never know a path.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kraft.engine.paths import file_state, parquet_rows, quoted
from kraft.engine.sql.session import Connection


class Source(Protocol):
    """Something that can stand behind a logical table name."""

    def state(self) -> str:
        """What changes when the content does, known without reading it."""

    def register(self, connection: Connection, name: str) -> None:
        """Make ``name`` selectable in ``connection``."""


def _create_view(connection: Connection, name: str, table: Path, where: str = "") -> None:
    """``name`` for the rows of ``table``, a Parquet file, or some of them. As SQL: a relation would be bound twice, at
    twice the time, some forty times a build.
    """
    connection.execute(f"create or replace view {quoted(name)} as from {parquet_rows(table)} {where}")


@dataclass(frozen=True)
class Parquet:
    """A table of the work folder."""

    path: Path

    def state(self) -> str:
        return file_state(self.path)

    def register(self, connection: Connection, name: str) -> None:
        _create_view(connection, name, self.path)


@dataclass(frozen=True)
class Chunk:
    """Those rows of a table of the work folder that have a whole number within bounds in one column.

    Row groups that hold none are not read: of a table that is sorted by the column it takes as long as the chunk is.
    """

    path: Path
    column: str
    least: int
    most: int
    """Both bounds belong to the chunk; it is empty if this one is less."""

    def state(self) -> str:
        return f"{file_state(self.path)}:{self.column}:{self.least}:{self.most}"

    def register(self, connection: Connection, name: str) -> None:
        _create_view(connection, name, self.path, f"where {quoted(self.column)} between {self.least} and {self.most}")


@dataclass(frozen=True)
class AbsentFile:
    """An optional file that is not there: a table of its columns without rows."""

    columns: dict[str, str]
    """Column name -> DuckDB type."""

    def state(self) -> str:
        return "absent"

    def register(self, connection: Connection, name: str) -> None:
        typed = ", ".join(f"cast(null as {kind}) as {quoted(column)}" for column, kind in self.columns.items())
        connection.sql(f"select {typed}").filter("false").create_view(name, replace=True)
