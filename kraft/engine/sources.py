"""Where a logical table comes from: a Parquet file of the work folder, or a raw file of the user's.

A source registers itself as a view, so that the files of `sql/` never know a path.
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb

from kraft.engine.session import Connection, open_probe
from kraft.errors import InputError


class Source(Protocol):
    """Something that can stand behind a logical table name."""

    @property
    def path(self) -> Path: ...

    def register(self, connection: Connection, name: str) -> None:
        """Make ``name`` selectable in ``connection``."""


def file_state(path: Path) -> str:
    """What tells a changed file apart without reading it: path, size and time of change."""
    state = path.stat()
    return f"{path.resolve()}:{state.st_size}:{state.st_mtime_ns}"


@dataclass(frozen=True)
class Parquet:
    """A table of the work folder."""

    path: Path

    def register(self, connection: Connection, name: str) -> None:
        connection.read_parquet(str(self.path)).create_view(name, replace=True)


@dataclass(frozen=True)
class RawFile:
    """A user's CSV or Parquet file, read as the SQL types that its contract asks for.

    Columns that the contract does not name are passed over; optional ones that are missing are NULL.
    """

    path: Path
    columns: dict[str, str]
    """Column name -> DuckDB type."""
    optional: frozenset[str] = field(default_factory=frozenset)
    stray_line_ends: bool = False
    """Fields may hold bare carriage returns, which DuckDB's CSV reader refuses (KuaiRec's captions)."""

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"

    def header(self) -> list[str]:
        """The file's column names, in its order.

        Raises:
            InputError: the file is empty, unreadable or no CSV/Parquet file.
        """
        try:
            names = self._parquet_header() if self.is_parquet else self._csv_header()
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except UnicodeDecodeError:
            raise InputError(f"{self.path}, line 1: not UTF-8 text", "Save the file as UTF-8.") from None
        except duckdb.Error as error:
            detail = str(error).splitlines()[0]
            raise InputError(f"{self.path}: not a readable Parquet file ({detail})") from None
        if not names:
            raise InputError(f"{self.path}: the file is empty", "Fetch it again: python -m jobs.fetch_data")
        return names

    def check_header(self) -> list[str]:
        """`header`, once the contract's columns are all in it.

        Raises:
            InputError: a column is missing or stands there twice.
        """
        names = self.header()
        missing = [name for name in self.columns if name not in names and name not in self.optional]
        if missing:
            raise InputError(
                f"{self.path}: column {missing[0]} is missing (found: {', '.join(names)[:200]})",
                "Give a file with KuaiRec's columns.",
            )
        twice = [name for name in self.columns if names.count(name) > 1]
        if twice:
            raise InputError(f"{self.path}, line 1: column {twice[0]} stands there twice")
        return names

    def register(self, connection: Connection, name: str) -> None:
        header = self.check_header()
        selected = ", ".join(
            f"cast({_quoted(column) if column in header else 'null'} as {kind}) as {_quoted(column)}"
            for column, kind in self.columns.items()
        )
        self._relation(connection, header).project(selected).create_view(name, replace=True)

    def _relation(self, connection: Connection, header: list[str]) -> duckdb.DuckDBPyRelation:
        if self.is_parquet:
            return connection.read_parquet(str(self.path))
        if self.stray_line_ends:
            # Polars is imported only here: 20 MiB that the interaction logs need not pay.
            import polars as pl  # noqa: PLC0415

            try:
                text = pl.read_csv(self.path, infer_schema=False)
            except pl.exceptions.PolarsError as error:
                raise InputError(f"{self.path}: {str(error).splitlines()[0]}") from None
            return connection.from_arrow(text.to_arrow())
        return connection.read_csv(
            str(self.path),
            header=True,
            auto_detect=False,
            delimiter=",",
            quotechar='"',
            escapechar='"',
            columns={column: self.columns.get(column, "VARCHAR") for column in header},
        )

    def _csv_header(self) -> list[str]:
        with self.path.open(encoding="utf-8-sig", newline="") as lines:
            return next(csv.reader(lines), [])

    def _parquet_header(self) -> list[str]:
        if not self.path.is_file():
            raise FileNotFoundError(self.path)
        with open_probe() as connection:
            return connection.read_parquet(str(self.path)).columns

    def explain(self, error: duckdb.Error) -> InputError | None:
        """DuckDB's error over this file as one line: file, line, column, rule, remedy; None if it is not one."""
        text = str(error)
        line = re.search(r"CSV Error on Line: (\d+)", text)
        place = f"{self.path}, line {int(line[1]):,}" if line else f"{self.path}"
        if cast := re.search(r'converting column "(\w+)"\. Could not convert string "(.*)" to \'(\w+)', text):
            column, value, kind = cast.groups()
            return InputError(
                f"{place}, column {column}: '{value[:60]}' is not {_TYPE_WORDS.get(kind, kind)}",
                "Correct the row. Nothing was written.",
            )
        if width := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
            return InputError(
                f"{place}: {width[2]} fields where the header has {width[1]}", "Correct the row. Nothing was written."
            )
        if line or "CSV" in text:
            detail = next((part for part in text.splitlines()[1:] if part and "Original" not in part), "")
            return InputError(f"{place}: not a valid CSV row ({detail.strip()[:120]})", "Nothing was written.")
        if self.is_parquet and isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException):
            return InputError(f"{self.path}: {text.splitlines()[0]}", "Nothing was written.")
        return None


_TYPE_WORDS = {
    "INTEGER": "an integer (from -2,147,483,648 to 2,147,483,647)",
    "BIGINT": "an integer",
    "DOUBLE": "a number",
    "DATE": "a date",
    "TIMESTAMP": "a time (YYYY-MM-DD HH:MM:SS)",
}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
