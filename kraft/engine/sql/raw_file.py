"""A user's raw file, CSV or Parquet: its header, its values as the types of a contract, and what is wrong with it."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import duckdb
from duckdb.sqltypes import DuckDBPyType

from kraft.engine.paths import file_state, pattern, quoted
from kraft.engine.sql.casts import INTEGERS, TYPE_WORDS, cast, fits, one_line
from kraft.engine.sql.column_types import Form, check_types, looks_like_time, text_of
from kraft.engine.sql.csv_texts import read_texts
from kraft.engine.sql.file_kinds import check_content
from kraft.engine.sql.session import Connection, open_probe, read_parquet
from kraft.engine.sql.sources import Parquet, Source
from kraft.errors import InputError


class Misfit(NamedTuple):
    """A value that breaks a rule."""

    row: int
    """Line of a CSV file, the header being 1; row of a Parquet file, from 1."""
    column: str
    value: str
    in_first_row: bool


@dataclass(frozen=True)
class RawFile:
    """A user's CSV or Parquet file, read as the SQL types that its contract asks for.

    Columns that the contract does not name are passed over; optional ones that are missing are NULL.
    """

    path: Path
    columns: dict[str, str]
    """Column name -> DuckDB type."""
    optional: frozenset[str] = field(default_factory=frozenset)
    key: str = ""
    """The column of ids, integers from 0 on, of a file whose bad rows can be quarantined."""
    once: bool = False
    """Each id stands in one row only."""
    stray_line_ends: bool = False
    """Fields may hold bare carriage returns, which DuckDB's CSV reader refuses (KuaiRec's captions)."""
    forms: Mapping[str, Form] = field(default_factory=dict)
    """What some columns hold, if their type does not say it."""

    def state(self) -> str:
        return file_state(self.path)

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix == ".parquet"

    def header(self) -> list[str]:
        """The file's column names, in its order.

        Raises:
            InputError: the file is empty, unreadable or no CSV/Parquet file.
        """
        try:
            check_content(self.path, parquet=self.is_parquet)
            names = self._parquet_header() if self.is_parquet else self._csv_header()
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except UnicodeEncodeError:
            raise InputError(f"{self.path}, line 1: not UTF-8 text", _SAVE_AS_UTF8) from None
        except csv.Error as error:
            raise InputError(f"{self.path}, line 1: not a valid CSV row ({error})", GIVE_COLUMNS) from None
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        except RuntimeError:
            # What DuckDB's binding raises over a text that it cannot hand to Python.
            raise InputError(f"{self.path}: a column's name is not UTF-8 text", "Write or fetch it again.") from None
        if not names:
            what = "line 1 is empty where the header should be" if self.path.stat().st_size else "the file is empty"
            raise InputError(f"{self.path}: {what}", GIVE_COLUMNS)
        return names

    def check_header(self) -> list[str]:
        """`header`, once the contract's columns are all in it.

        Raises:
            InputError: a column is missing, occurs twice, or is of a type that cannot hold its values (Parquet).
        """
        names = self.header()
        missing = [name for name in self.columns if name not in names and name not in self.optional]
        if missing:
            raise InputError(
                f"{self.path}: column {missing[0]} is missing (found: {', '.join(names)[:200]})",
                GIVE_COLUMNS,
            )
        twice = [name for name in self.columns if names.count(name) > 1]
        if twice:
            raise InputError(f"{self.path}, line 1: column {twice[0]} occurs twice", GIVE_COLUMNS)
        if self.is_parquet:
            check_types(self.path, self._parquet_types(), self.columns, self.forms)
        return names

    def register(self, connection: Connection, name: str) -> None:
        header = self.check_header()
        relation = self._relation(connection, header)
        read_as = dict(zip(relation.columns, relation.types, strict=True))
        selected = ", ".join(
            f"{cast(column, read_as.get(column), kind)} as {quoted(column)}" for column, kind in self.columns.items()
        )
        relation.project(selected).create_view(name, replace=True)

    def _relation(self, connection: Connection, header: list[str]) -> duckdb.DuckDBPyRelation:
        if self.is_parquet:
            return read_parquet(connection, self.path)
        if self.stray_line_ends:
            return self._small_table(connection, header)
        return connection.read_csv(
            pattern(self.path),
            hive_partitioning=False,
            header=True,
            auto_detect=False,
            delimiter=",",
            quotechar='"',
            escapechar='"',
            buffer_size=CSV_BUFFER,
            # Columns that no contract names are only counted: they may be nameless, or share a name.
            columns={
                column if column in self.columns else f"#{number}": self._csv_type(column)
                for number, column in enumerate(header)
            },
        )

    def _small_table(self, connection: Connection, header: list[str]) -> duckdb.DuckDBPyRelation:
        # Imported here: the interaction logs need no NumPy.
        import numpy as np  # noqa: PLC0415

        read = read_texts(self.path, header, self.columns)
        texts = {name: np.array(values, dtype=object) for name, values in read.items()}
        # A table of the connection's own: a view would look for the arrays when they are gone.
        table = quoted(f"texts of {self.path.name}")
        typed = ", ".join(f"cast({quoted(name)} as varchar) as {quoted(name)}" for name in texts)
        # By name: sessions see no variables of Python's.
        connection.register("texts", texts)
        connection.execute(f"create or replace temp table {table} as select {typed} from texts")  # noqa: S608 - quoted
        connection.unregister("texts")
        return connection.table(table)

    def _csv_type(self, column: str) -> str:
        kind = self.columns.get(column, "VARCHAR")
        return "DOUBLE" if kind in INTEGERS else kind

    def _csv_header(self) -> list[str]:
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            names = next(csv.reader(lines, strict=True), [])
        # Only the first line was decoded on purpose: a wrong byte further down is told with its own line.
        ",".join(names).encode()
        return names

    def _parquet_types(self) -> dict[str, DuckDBPyType]:
        with open_probe() as connection:
            relation = read_parquet(connection, self.path)
            return dict(zip(relation.columns, relation.types, strict=True))

    def _parquet_header(self) -> list[str]:
        read = list(self._parquet_types())
        # Of two columns with one name, DuckDB calls the second another: here both have to be seen.
        with open_probe() as connection:
            schema = connection.execute(
                "select name, num_children from parquet_schema($1)", [pattern(self.path)]
            ).fetchall()
        names, below = [], 0
        for name, children in schema[1:]:
            if not below:
                names.append(name)
            below += (children or 0) - (1 if below else 0)
        return names if len(set(names)) < len(read) else read

    # --- errors -------------------------------------------------------------------------------

    def explain(self, error: duckdb.Error) -> InputError | None:
        """DuckDB's error over this file as one line: file, line, column, rule, remedy; None if it is not one."""
        about_content = isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException)
        if about_content and (found := self._misfit()):
            row, column, value, first = found
            where = f"{self.path}, {'row' if self.is_parquet else 'line'} {row:,}, column {column}"
            shown, form = one_line(value[:60]), self.forms.get(column)
            if form and form.from_time and looks_like_time(value):
                # If the first row has one, most likely all have, and quarantining them would leave nothing.
                remedy = f"Write the column as {form.words}. Nothing was written." if first else self._correct
                return InputError(f"{where}: '{shown}' is a time as text, and it must be {form.words}", remedy)
            rule = TYPE_WORDS.get(self.columns[column], self.columns[column])
            return InputError(f"{where}: '{shown}' is not {rule}", self._correct)
        if not self.is_parquet:
            return self._csv_problem(str(error)) if about_content else None
        # DuckDB's error for damaged pages has no class; a damaged offset or size points behind the end.
        damaged = type(error) is duckdb.Error or _BEHIND_THE_END in str(error)
        return self._unreadable(error) if about_content or damaged else None

    def _csv_problem(self, text: str) -> InputError | None:
        line = re.search(r"CSV Error on Line: (\d+)", text)
        where = f"{self.path}, line {int(line[1]):,}" if line else f"{self.path}"
        if width := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
            return InputError(f"{where}: {width[2]} fields where the header has {width[1]}", self._correct)
        if "not utf-8" in text.lower():
            return InputError(f"{where}: not UTF-8 text", _SAVE_AS_UTF8)
        if "invalid state" in text:
            return InputError(f"{where}: its lines end in different ways (CR LF and LF)", "Write them all alike.")
        if line or "CSV" in text:
            # DuckDB's reason is the line before its advice; what stands above is the row itself.
            advice = "\n\nPossible" if "\n\nPossible" in text else "\n\n"
            reason = text.partition(advice)[0].rstrip().splitlines()[-1]
            return InputError(f"{where}: not a valid CSV row ({reason[:120].rstrip(' .')})", self._correct)
        return None

    @property
    def _correct(self) -> str:
        return f"Correct the row{_OR_QUARANTINE if self.key else ''}. Nothing was written."

    def _misfit(self) -> "Misfit | None":
        """The first value that is not of its column's type."""
        return self.first(lambda column, value: bool(value) and not fits(value, self.columns[column]))

    def first(self, wrong: Callable[[str, str], bool]) -> "Misfit | None":
        """The first value that is ``wrong``, which is asked a column and a text.

        Reads the file once more, from its start: a file is searched only when it is known to be bad.
        """
        rows = self._parquet_texts() if self.is_parquet else self._csv_texts()
        # Where pages are damaged, the search ends there, too.
        with suppress(duckdb.Error):
            for index, (row, values) in enumerate(rows):
                for column, value in values.items():
                    if wrong(column, value):
                        return Misfit(row, column, value, in_first_row=index == 0)
        return None

    def _csv_texts(self) -> Iterator[tuple[int, dict[str, str]]]:
        header = self.header()
        positions = [(header.index(column), column) for column in self.columns if column in header]
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            records = csv.reader(lines)
            started = 1
            # A line that is not CSV ends the search: that is another error.
            with suppress(csv.Error):
                for record in records:
                    if started > 1 and record:
                        # DuckDB passes over one comma behind the last field.
                        if len(record) != len(header) and (len(record) != len(header) + 1 or record[-1]):
                            return
                        yield started, {column: record[position] for position, column in positions}
                    started = records.line_num + 1

    def _parquet_texts(self) -> Iterator[tuple[int, dict[str, str]]]:
        header = self.header()
        columns = [column for column in self.columns if column in header]
        with open_probe() as connection:
            file = read_parquet(connection, self.path)
            selected = ", ".join(self.texts(file, columns))
            file.create_view("file")
            connection.execute(f"select {selected} from file")  # noqa: S608 - quoted names of the file's own columns
            row = 0
            while record := connection.fetchone():
                row += 1
                yield row, {column: value or "" for column, value in zip(columns, record, strict=True)}

    def texts(self, file: duckdb.DuckDBPyRelation, columns: Iterable[str]) -> list[str]:
        """SQL for some columns of this file, a Parquet file, as the texts that a CSV file would hold."""
        types = dict(zip(file.columns, file.types, strict=True))
        return [text_of(column, types[column], self.columns[column]) for column in columns]

    def _unreadable(self, error: duckdb.Error) -> InputError:
        detail = str(error).splitlines()[0].split(": ", 1)[-1].replace(f" '{self.path.absolute()}'", "")
        return InputError(f"{self.path}: not a readable Parquet file ({detail})", "Write or fetch it again.")


CSV_BUFFER = 8 * 1024 * 1024
"""Bytes of a CSV file in memory a thread; a line (at most 2 MB) has to fit. DuckDB's default, 32 MB, is not faster, and
has no room beside a large sort in 384 MiB."""
_BEHIND_THE_END = "Could not read enough bytes"
_OR_QUARANTINE = ", or use --on-bad-rows quarantine"
GIVE_COLUMNS = "Give a file with KuaiRec's columns."
_SAVE_AS_UTF8 = "Save the file as UTF-8."


def paths_of(sources: Iterable[Source]) -> list[Path]:
    """The files behind ``sources``, for `open_session`."""
    return [source.path for source in sources if isinstance(source, RawFile | Parquet)]
