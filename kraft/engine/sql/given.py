"""Files that options name besides the raw data: --pairs, --users, --items, --compare.

All are read here, by one set of rules, and once: what follows reads the checked copy, whatever the file was. The log
and its side tables have their own contracts (`kraft.logs.contracts`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from kraft import columns
from kraft.engine.paths import file_state, parquet_rows, quoted
from kraft.engine.process.os_errors import of_duckdb
from kraft.engine.sql.casts import fits, one_line
from kraft.engine.sql.raw_file import GIVE_COLUMNS, RawFile
from kraft.engine.sql.session import Connection, prepare
from kraft.engine.sql.sources import Parquet
from kraft.errors import InputError, KraftError

ROW_NUMBER: Final = "row"
"""Column of the copy: the row's number in the file, from 1."""
_ALSO: Final = {columns.ITEM_ID: "video_id"}
"""What KuaiRec's own files call a column; they are taken as they are."""


class Column(NamedTuple):
    """What a column must hold."""

    kind: str
    """DuckDB's type."""
    words: str
    """What every value is."""
    broken: str
    """SQL: whether the value {} breaks the rule."""
    needed: bool = True
    """False: the column may be missing, and so may any value of it."""

    def refuses(self, text: str) -> bool:
        """Whether a text of the file is no such value."""
        if not text:
            return self.needed
        if not fits(text, self.kind):
            return True
        return float(text) < 0 if self.kind == "INTEGER" else not math.isfinite(float(text))


ID: Final = Column("INTEGER", "an integer from 0 to 2,147,483,647, as ids are", "{0} is null or {0} < 0")
FINITE: Final = Column("DOUBLE", "a finite number", "{0} is null or not isfinite({0})")
TIME: Final = Column("DOUBLE", "a finite number (seconds since 1970)", "not isfinite({0})", needed=False)
OWN_ID: Final = Column("VARCHAR", "an id of the log", "{0} is null")
"""An id of a log with ids of its own, which a table numbers."""
SCORED: Final = {columns.USER_ID: ID, columns.ITEM_ID: ID, columns.SCORE: FINITE}
"""What a user's file of scores must hold."""


def own_copy(target: Path) -> Path:
    """Where the rows of a file stand with the log's own ids, where ``target`` has numbers in place of them."""
    return target.with_name(f"own-{target.name}")


@dataclass(frozen=True)
class GivenFile:
    """A CSV or Parquet file (by its name) that an option names. Other columns are ignored."""

    path: Path
    columns: Mapping[str, Column]
    """By the name in the copy; item_id may be called video_id in the file."""
    numbers: Mapping[str, Path] = field(default_factory=dict)
    """Column of ids -> Parquet file that says which number each of the log's own ids (`id`) has, in a column of that
    name. The copy has the numbers; an id that is not there gets one behind them. Empty: ids are numbers."""

    def take(self, connection: Connection, target: Path, threads: int, *, sort_by: tuple[str, ...] = ()) -> int:
        """Write the file's rows to ``target``, a Parquet file with `columns` and `ROW_NUMBER`.

        Args:
            connection: may read the file, and write ``target``.
            target: the file to write.
            threads: that read.
            sort_by: columns that the copy is sorted by, then by its row; by default by that alone.

        Returns:
            The rows: at least one.

        Raises:
            InputError: the file is unreadable or has no rows, lacks a column, or holds a value that breaks its rule.
        """
        if self.numbers:
            own = own_copy(target)
            ids = dict.fromkeys(self.numbers, OWN_ID)
            rows = GivenFile(self.path, {**self.columns, **ids}).take(connection, own, threads)
            self._number(connection, own, target, sort_by)
            return rows
        names = self.names()
        file = RawFile(self.path, {names[name]: column.kind for name, column in self.columns.items()}, self._optional)
        before = file_state(self.path)
        prepare(connection, threads, kept=True, raw=True)
        try:
            file.register(connection, "given")
            self._copy(connection, target, names, sort_by)
            if (broken := self._broken(connection, target, names)) and self._has_empty_lines(file):
                self._copy(connection, target, names, sort_by, f"where {quoted(next(iter(file.columns)))} is not null")
                broken = self._broken(connection, target, names)
        except duckdb.Error as error:
            raise self._explain(file, error) from error
        if file_state(self.path) != before:
            raise InputError(
                f"{self.path}: it changed while it was read",
                "Wait until it is written to its end, and run the job again. Nothing was written.",
            )
        if broken:
            raise self._first_wrong(file) or broken
        rows = connection.view("taken").aggregate("count(*)").fetchall()[0][0]
        if not rows:
            raise InputError(f"{self.path}: it has no rows", f"Give at least one row with {self._wanted}.")
        return int(rows)

    @property
    def _optional(self) -> frozenset[str]:
        return frozenset(name for name, column in self.columns.items() if not column.needed)

    @property
    def _wanted(self) -> str:
        needed = [name for name, column in self.columns.items() if column.needed]
        spelled = [f"{name} (or {_ALSO[name]})" if name in _ALSO else name for name in needed]
        *others, last = spelled
        return f"the columns {', '.join(others)} and {last}" if others else f"the column {last}"

    def names(self) -> dict[str, str]:
        """Name in the copy -> name in the file.

        Raises:
            InputError: the file is unreadable, or a column is missing or occurs twice.
        """
        try:
            header = RawFile(self.path, {}).header()
            also = {name: _ALSO[name] for name in self.columns if name not in header and _ALSO.get(name) in header}
            names = {name: also.get(name, name) for name in self.columns}
            RawFile(self.path, dict.fromkeys(names.values(), ""), self._optional).check_header()
        except InputError as error:
            remedy = (
                f"Give a CSV or Parquet file with {self._wanted}." if error.remedy == GIVE_COLUMNS else error.remedy
            )
            raise InputError(error.problem, remedy) from None
        return names

    def _copy(
        self, connection: Connection, target: Path, names: Mapping[str, str], sort_by: tuple[str, ...], where: str = ""
    ) -> None:
        read = ", ".join(f"{quoted(names[name])} as {quoted(name)}" for name in self.columns)
        numbered = f"select {read}, row_number() over () as {ROW_NUMBER} from given {where}"  # noqa: S608 - quoted
        order = ", ".join((*sort_by, ROW_NUMBER))
        connection.execute(
            f"copy (select * from ({numbered}) order by {order}) to $target (format parquet)",  # noqa: S608 - quoted
            {"target": str(target)},
        )

    def _number(self, connection: Connection, own: Path, target: Path, sort_by: tuple[str, ...]) -> None:
        """Write the rows of ``own`` to ``target``, with numbers in place of the log's own ids."""
        given, listed, joins = parquet_rows(own), [], []
        for name in self.columns:
            column = quoted(name)
            if name not in self.numbers:
                listed.append(f"given.{column}")
                continue
            known, numbered = parquet_rows(self.numbers[name]), quoted(f"numbers of {name}")
            connection.execute(
                f"create or replace temp table {numbered} as "  # noqa: S608 - quoted
                f"with asked as (select distinct {column} as id from {given}), known as (from {known}), "
                "strange as (from asked anti join known using (id)) "
                f"select id, known.{column} from known semi join asked using (id) union all "
                "select id, cast((select count(*) from known) - 1 + row_number() over (order by length(id), id) "
                "as integer) from strange"
            )
            listed.append(f"{numbered}.{column}")
            joins.append(f"join {numbered} on given.{column} = {numbered}.id")
        order = ", ".join((*sort_by, ROW_NUMBER))
        connection.execute(
            f"copy (select {', '.join(listed)}, given.{ROW_NUMBER} from {given} as given {' '.join(joins)} "  # noqa: S608
            f"order by {order}) to $target (format parquet)",
            {"target": str(target)},
        )

    def _broken(self, connection: Connection, target: Path, names: Mapping[str, str]) -> InputError | None:
        """The first row of the copy that breaks a rule, told by its number."""
        rules = {name: column.broken.format(quoted(name)) for name, column in self.columns.items()}
        Parquet(target).register(connection, "taken")
        found = connection.execute(
            f"select {ROW_NUMBER}, {', '.join(rules.values())} from taken "  # noqa: S608 - quoted
            f"where {' or '.join(rules.values())} order by {ROW_NUMBER} limit 1"
        ).fetchall()
        if not found:
            return None
        row, *broken = found[0]
        name = next(name for name, breaks in zip(rules, broken, strict=True) if breaks)
        return self._refused(f"row {row:,}", names[name], None, self.columns[name])

    def _has_empty_lines(self, file: RawFile) -> bool:
        """Whether empty lines, which are no rows, are all that is wrong: in a CSV file of one column, DuckDB reads each
        as a row without a value.
        """
        return not file.is_parquet and len(file.header()) == 1 and self._first_wrong(file) is None

    # --- errors -------------------------------------------------------------------------------

    def _explain(self, file: RawFile, error: duckdb.Error) -> KraftError:
        about_content = isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException)
        if about_content and (wrong := self._first_wrong(file)):
            return wrong
        known = file.explain(error) or of_duckdb(error, f"{self.path}")
        detail = str(error).splitlines()[0].split(": ", 1)[-1]
        return known or InputError(f"{self.path}: it cannot be read ({detail[:200]})", "Write it again.")

    def _first_wrong(self, file: RawFile) -> InputError | None:
        """The first value of the file that is not what its column must hold."""
        rules = dict(zip(file.columns, self.columns.values(), strict=True))
        found = file.first(lambda column, text: rules[column].refuses(text))
        if found is None:
            return None
        row, column, text, _ = found
        return self._refused(f"{'row' if file.is_parquet else 'line'} {row:,}", column, text, rules[column])

    def _refused(self, where: str, name: str, text: str | None, column: Column) -> InputError:
        shown = f"'{one_line(text[:60])}' is not" if text else "the value is missing: it must be"
        if text is None:
            shown = "the value must be"
        return InputError(
            f"{self.path}, {where}, column {name}: {shown} {column.words}", "Correct the row. Nothing was written."
        )
