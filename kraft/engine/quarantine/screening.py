"""A raw file without its bad rows: each is quarantined with its line, the column, the value and the rule it breaks.

Only a file that is known to be bad is read this way. A file without bad rows is read once, by DuckDB alone, whatever
--on-bad-rows says: the option costs nothing until it is needed. Then Python finds the records, because a reader that
skips what it cannot parse does not say what it skipped; and DuckDB checks their values, a batch at a time, by the very
casts and checks that the file was refused with. Rows read = rows accepted + rows quarantined, or it is an error.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb

from kraft.engine.paths import literal, quoted
from kraft.engine.quarantine.csv_records import SHOWN, Record, records
from kraft.engine.quarantine.quarantined import Quarantined
from kraft.engine.sql.casts import INTEGERS, TEXT, TYPE_WORDS, cast
from kraft.engine.sql.queries import Query, all_queries
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection, read_parquet
from kraft.errors import InputError, QueryError

if TYPE_CHECKING:
    import pyarrow as pa

CODE: Final = "1"
"""Raised by one whenever other rows are quarantined of the same file."""
BATCH_ROWS: Final = 65_536
COLUMNS: Final = {
    "file": "name of the raw file",
    "line": "line of a CSV file, the header being 1; row of a Parquet file, from 1",
    "column": "the column at fault; NULL where the row as a whole is",
    "value": "its value, or the row, shortened",
    "reason": "the rule that is broken",
}


@dataclass
class QuarantinedFile:
    """A raw file that was found to have bad rows, as the source of those that are left."""

    file: RawFile
    name: str
    """Logical name of the raw table."""
    settings: Mapping[str, Any]
    """Values for the parameters of the files of `sql/`."""
    found: Quarantined | None = field(default=None, compare=False)
    """What was quarantined; None before the file was read."""

    @property
    def path(self) -> Path:
        return self.file.path

    def state(self) -> str:
        """Another one than that of the file itself: a table made of all rows is not one made of some."""
        return f"quarantined {CODE}:{self.file.state()}"

    def register(self, connection: Connection, name: str) -> None:
        if self.found is None:
            self.read(connection)
        connection.table(self._good).project(_listed(self.file.columns)).create_view(name, replace=True)

    @property
    def _good(self) -> str:
        return f"good rows of {self.name}"

    @property
    def bad(self) -> str:
        """Name of the table of the connection that has the rows quarantined: line, column, value, reason."""
        return f"bad rows of {self.name}"

    def read(self, connection: Connection) -> None:
        """Read the file, and keep its good rows and what is wrong with the others as tables of ``connection``.

        Raises:
            InputError: the file as a whole cannot be read, or the share of bad rows is greater than `max_bad_rows`.
        """
        good, bad = quoted(self._good), quoted(self.bad)
        typed = ", ".join(f"{quoted(column)} {kind}" for column, kind in self.file.columns.items())
        connection.execute(f"create or replace temp table {good} (line bigint, {typed})")
        faults = 'line bigint, "column" varchar, value varchar, reason varchar'
        connection.execute(f"create or replace temp table {bad} ({faults})")
        try:
            read = self._read_parquet(connection) if self.file.is_parquet else self._read_csv(connection)
        except duckdb.Error as error:
            raise self.file.explain(error) or error from error
        for check in checks_of_rows(self.name):
            self._check(connection, check)
        self._check_keys(connection)
        counts = f"select (select count(*) from {good}), (select count(*) from {bad})"  # noqa: S608 - quoted names
        kept, bad_rows = connection.execute(counts).fetchall()[0]
        if kept + bad_rows != read:
            raise QueryError(f"{self.path}: {read:,} rows read, but {kept:,} kept and {bad_rows:,} quarantined")
        found = self._quarantined(connection, bad_rows, read)
        hold_share(self.path, found, self.settings["max_bad_rows"])
        self.found = found

    def _quarantined(self, connection: Connection, bad_rows: int, read: int) -> Quarantined:
        """What the table of the bad rows says of them."""
        often = connection.execute(
            f'select reason, count(*), min(line), arg_min("column", line), arg_min(value, line) '  # noqa: S608 - quoted name
            f"from {quoted(self.bad)} group by reason order by count(*) desc, min(line) limit 1"
        ).fetchall()
        if not often:
            return {"quarantined": 0, "read": read, "reason": "", "often": 0, "example": ""}
        reason, count, line, column, value = often[0]
        where = f"{'row' if self.file.is_parquet else 'line'} {line:,}"
        # A whole row would take the line of the message for itself.
        example = where if column is None else f"{where}, {column} {value!r}"
        return {"quarantined": bad_rows, "read": read, "reason": reason, "often": count, "example": example}

    # --- reading ------------------------------------------------------------------------------

    def _read_csv(self, connection: Connection) -> int:
        import pyarrow as pa  # noqa: PLC0415 - 0.1 s that only a file with bad rows costs

        header = self.file.header()
        positions = {column: header.index(column) for column in self.file.columns if column in header}
        read = 0
        used = list(positions.values())
        found = records(self.path, len(header), used, stray_line_ends=self.file.stray_line_ends)
        while batch := list(islice(found, BATCH_ROWS)):
            read += len(batch)
            rows = [(record.line, record.fields) for record in batch if record.fields is not None]
            lines = pa.array([line for line, _ in rows], pa.int64())
            texts = {name: pa.array([fields[at] or None for _, fields in rows]) for name, at in positions.items()}
            self._check_types(
                connection, {"line": lines} | {name: one.cast(pa.string()) for name, one in texts.items()}
            )
            self._refuse(connection, [record for record in batch if record.fields is None])
        return read

    def _refuse(self, connection: Connection, broken: list[Record]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as in _read_csv

        if broken:
            names = ("line", "text", "reason")
            columns = {name: pa.array([getattr(one, name) for one in broken]) for name in names}
            connection.register("quarantine_texts", pa.table(columns))
            connection.execute(f"insert into {quoted(self.bad)} select line, null, text, reason from quarantine_texts")  # noqa: S608 - quoted names
            connection.unregister("quarantine_texts")

    def _read_parquet(self, connection: Connection) -> int:
        present = set(self.file.header())
        names = [column for column in self.file.columns if column in present]
        read = 0
        # A connection runs one query at a time: this one reads while the other one checks.
        with connection.cursor() as reading:
            relation = read_parquet(reading, self.path, row_numbers=True)
            listed = zip(self.file.texts(relation, names), names, strict=True)
            texts = ", ".join(f"{text} as {quoted(name)}" for text, name in listed)
            for batch in relation.project(f"file_row_number + 1 as line, {texts}").to_arrow_reader(BATCH_ROWS):
                read += len(batch)
                self._check_types(connection, dict(zip(batch.schema.names, batch.columns, strict=True)))
        return read

    def _check_types(self, connection: Connection, texts: "dict[str, pa.Array]") -> None:
        """Sort rows of texts into those whose values are of their columns' types, and others."""
        import pyarrow as pa  # noqa: PLC0415 - as in _read_csv

        connection.register("quarantine_texts", pa.table(texts))
        kinds = self.file.columns
        checked = {name: kind for name, kind in kinds.items() if name in texts and kind in TYPE_WORDS}
        faults = " ".join(f"when {_misfits(name, kind)} then {literal(name)}" for name, kind in checked.items())
        connection.execute(
            f"create or replace temp table quarantine_rows as select case {faults} when false then '' end as fault, * "  # noqa: S608 - quoted names
            "from quarantine_texts"
        )
        typed = ", ".join(cast(name, TEXT if name in texts else None, kind) for name, kind in kinds.items())
        connection.execute(
            f"insert into {quoted(self._good)} select line, {typed} from quarantine_rows where fault is null"  # noqa: S608 - quoted names
        )
        for name, kind in checked.items():
            connection.execute(
                f"insert into {quoted(self.bad)} select line, fault, left({quoted(name)}, {SHOWN}), $reason "  # noqa: S608 - quoted names
                "from quarantine_rows where fault = $name",
                {"name": name, "reason": f"{name} must be {TYPE_WORDS[kind]}"},
            )
        connection.execute("drop table quarantine_rows")
        connection.unregister("quarantine_texts")

    # --- rules over the values --------------------------------------------------------------------

    def _check_keys(self, connection: Connection) -> None:
        key = quoted(self.file.key)
        self._move(connection, f"{key} is null or {key} < 0", "must be an integer from 0 on")
        if self.file.once:
            again = f"line not in (select min(line) from {quoted(self._good)} group by {key})"  # noqa: S608 - quoted names
            self._move(connection, again, "stands in an earlier row already")

    def _move(self, connection: Connection, condition: str, rule: str) -> None:
        key = self.file.key
        connection.execute(
            f"insert into {quoted(self.bad)} select line, $key, cast({quoted(key)} as varchar), $reason "  # noqa: S608 - quoted names
            f"from {quoted(self._good)} where {condition}",
            {"key": key, "reason": f"{key} {rule}"},
        )
        self._remove(connection)

    def _remove(self, connection: Connection) -> None:
        """Take out of the good rows what has come to the bad ones."""
        good, bad = quoted(self._good), quoted(self.bad)
        connection.execute(f"delete from {good} where line in (select line from {bad})")  # noqa: S608 - quoted names

    def _check(self, connection: Connection, check: Query) -> None:
        """Quarantine the rows that ``check`` finds. It speaks of the file, or of a table that is made of it alone."""
        connection.table(self._good).project(_listed(self.file.columns)).create_view(self.name, replace=True)
        made = [name for name in check.inputs if name != self.name]
        for name in made:
            query = all_queries()[name]
            values = {one: self.settings[one] for one in query.parameters}
            connection.execute(f"create or replace temp table {quoted(name)} as {query.text}", values)
        values = {one: self.settings[one] for one in check.parameters}
        connection.execute(f"create or replace temp table offenders as {check.text}", values)
        named = [name for name, *_ in connection.execute("describe offenders").fetchall() if name in self.file.columns]
        same = " and ".join(f"good.{quoted(name)} is not distinct from offenders.{quoted(name)}" for name in named)
        # A rule begins with the column that it is about.
        about = "split_part(rule, ' ', 1)"
        value = " ".join(f"when {literal(name)} then cast(good.{quoted(name)} as varchar)" for name in named)
        connection.execute(
            f"insert into {quoted(self.bad)} "  # noqa: S608 - quoted names
            f"select distinct line, {about}, left(case {about} {value} end, {SHOWN}), rule "
            f"from {quoted(self._good)} as good join offenders on {same}"
        )
        self._remove(connection)
        for name in ("offenders", *made):
            connection.execute(f"drop table {quoted(name)}")


def hold_share(path: Path, found: Quarantined, most: float) -> None:
    """Hold the rows that were quarantined of a file to the share ``most`` of all its rows.

    Raises:
        InputError: there are more.
    """
    bad_rows, read = found["quarantined"], found["read"]
    if bad_rows <= most * read:
        return
    # Rounded up, so that what is advised is enough.
    enough = min(1.0, math.ceil(100 * bad_rows / read) / 100)
    raise InputError(
        f"{path}: {bad_rows:,} of {read:,} rows ({bad_rows / read:.1%}) would be quarantined, more than --max-bad-rows "
        f"{most:g} allows; most often ({found['often']:,} rows, first {found['example']}): {found['reason']}",
        f"Correct the file, or let more rows be left out: --max-bad-rows {enough:g}. Nothing was published.",
    )


def checks_of_rows(name: str) -> list[Query]:
    """The checks that find wrong rows of the raw table ``name``."""
    return [query for query in all_queries().values() if query.rejects == name]


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(quoted, columns))


def _misfits(column: str, kind: str) -> str:
    """SQL for whether a text is none of the type."""
    name = quoted(column)
    number = f"try_cast({name} as double)"
    if kind == "DOUBLE":
        return f"({name} is not null and {number} is null)"
    whole = f"{number} = floor({number}) and try_cast({number} as {kind}) is not null"
    if kind == "BIGINT":
        whole += f" and abs({number}) < {INTEGERS[kind]}"
    return f"({name} is not null and ({whole}) is not true)"
