"""Reads the files of a described log, each once, into typed Parquet parts of the work folder.

A file that has not changed, of a log whose expressions have not changed, is not read again. Bad rows are an error that
names the file and the row, or are quarantined.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb

from kraft.engine.paths import file_state, literal, parquet_rows
from kraft.engine.process.os_errors import of_duckdb
from kraft.engine.process.progress import Progress
from kraft.engine.quarantine.quarantined import Quarantined
from kraft.engine.quarantine.screening import hold_share
from kraft.engine.sql.session import Connection, prepare
from kraft.engine.workspace.store import Fingerprint, Store
from kraft.errors import InputError
from kraft.logs.described.description import Described, Items, Users
from kraft.logs.described.expressions import Expressions, select_interactions, select_items, select_users
from kraft.logs.described.log_files import CSV, Table, find_files, kind, rows_of
from kraft.logs.described.sources import ROW, USER_COLUMNS

CODE: Final = "1"
"""Raised by one whenever the code gives other parts for the same files and expressions."""
LEAST_ROWS: Final = 5
Facts = dict[str, Any]


class Part(NamedTuple):
    """What was read of one file."""

    file: str
    """Its name, relative to the folder of the log."""
    name: str
    """Of its table in the store."""
    rows: int
    """Of the file that count."""
    positives: int
    """Interactions with a positive label."""
    quarantined: Quarantined | None
    """What was left out."""


@dataclass(frozen=True)
class Importer:
    """Brings the parts of a log up to date.

    Args:
        connection: may read the log's files and write to ``store``.
        store: gets a table a file.
        described: the log.
        threads: of DuckDB's.
        quarantine: whether bad rows are left out instead of being an error.
        most: share of a file's rows that may be.
        force: make every part again.
        progress: one unit a file.
    """

    connection: Connection
    store: Store
    described: Described
    threads: int
    quarantine: bool
    most: float
    force: bool
    progress: Progress

    def interactions(self) -> list[Part]:
        """A part each file of the log, sorted by its path.

        Raises:
            InputError: a file or an expression breaks a rule; the log has no rows, or its label has one value.
        """
        log = self.described.log.interactions
        parts = self._parts(log, "interactions", lambda on: select_interactions(on, log), numbered=log.time is None)
        rows, positives = sum(part.rows for part in parts), sum(part.positives for part in parts)
        if rows < LEAST_ROWS:
            raise InputError(
                f"{self._where('interactions')}: {rows} rows are left, and at least {LEAST_ROWS} are needed",
                "Give a longer log, or another `where`.",
            )
        if positives in {0, rows}:
            always = "always true" if positives else "never true"
            raise InputError(
                f"{self._where('interactions')} label = {log.label!r} is {always} in {rows:,} rows",
                "Give a condition that tells positive interactions from others.",
            )
        return parts

    def users(self) -> list[Part]:
        """A part each file of the users.

        Raises:
            InputError: a file or an expression breaks a rule, or a user occurs twice.
        """
        users = self.described.log.users
        return self._side(users, "users", "user_key", lambda on: select_users(on, users, USER_COLUMNS)) if users else []

    def items(self) -> list[Part]:
        """A part each file of the items.

        Raises:
            InputError: a file or an expression breaks a rule, or an item occurs twice.
        """
        items = self.described.log.items
        return self._side(items, "items", "item_key", lambda on: select_items(on, items)) if items else []

    def forget(self, parts: list[Part]) -> None:
        """Remove the parts of files that the log has no more."""
        for name in self.store.manifest().keys() - {part.name for part in parts}:
            self.store.discard(name)

    def _where(self, section: str) -> str:
        return f"{self.described.path}: [{section}]"

    def _side(self, table: Users | Items, section: str, key: str, select: Callable[[Expressions], str]) -> list[Part]:
        parts = self._parts(table, section, select)
        self._once(parts, section, key, table.key)
        return parts

    def _parts(
        self, table: Table, section: str, select: Callable[[Expressions], str], *, numbered: bool = False
    ) -> list[Part]:
        files = find_files(table, self.described.folder, self._where(section))
        with self.progress.task(f"read {section}", len(files), "files") as task:
            parts = []
            for file in files:
                task.note(file.name)
                on = replace(self._expressions(file, table, section), numbered=numbered)
                parts.append(self._part(file, section, select, on))
                task.advance()
        return parts

    def _part(self, file: Path, section: str, select: Callable[[Expressions], str], on: Expressions) -> Part:
        text = select(on)
        name = f"{section}_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
        fingerprint = Fingerprint({"file": file_state(file)}, {"select": text, "quarantine": self.quarantine}, CODE)
        if self.force or self.store.stale(name, fingerprint):
            with self.store.scratch() as folder:
                written = folder / "part.parquet"
                facts = self._write(file, text, written, select, on, is_log=section == "interactions")
                self.store.publish(name, written, fingerprint, facts)
        entry = self.store.manifest()[name]
        if found := entry.get("quarantined"):
            hold_share(file, found, self.most)
        shown = file.relative_to(self.described.folder) if file.is_relative_to(self.described.folder) else file
        return Part(str(shown), name, entry["rows"], entry["positives"], found)

    def _expressions(self, file: Path, table: Table, section: str) -> Expressions:
        columns = self._columns(file, rows_of(file, table, {}))
        types = {}
        if kind(file) in CSV:
            # An id that is a column stays as it is written: 007 is not 7.
            plain = {getattr(table, name, "").strip().strip('"') for name in ("user", "item", "key")}
            types = {name: "VARCHAR" for name in columns if name in plain}
        rows = rows_of(file, table, types)
        return Expressions(self.connection, rows, columns | types, self._where(section))

    def _columns(self, file: Path, rows: str) -> dict[str, str]:
        try:
            described = self.connection.execute(f"describe {rows}").fetchall()
        except duckdb.Error as error:
            raise self._unreadable(file, error) from None
        return {name: kind for name, kind, *_ in described}

    # --- one file -------------------------------------------------------------------------------

    def _write(
        self,
        file: Path,
        text: str,
        written: Path,
        select: Callable[[Expressions], str],
        on: Expressions,
        *,
        is_log: bool,
    ) -> Facts:
        """Write a part; returns what the manifest is to say of it."""
        prepare(self.connection, self.threads, kept=on.numbered, raw=True)
        self._copy(file, text, written)
        label = "label" if is_log else "false"
        rows, bad, positives = self.connection.execute(
            f"select count(*), count(rule), count(*) filter (rule is null and {label}) "  # noqa: S608 - quoted
            f"from {parquet_rows(written)}"
        ).fetchall()[0]
        facts = {
            "rows": rows - bad,
            "positives": positives,
            "purpose": f"Rows of {file.name}, as the description of the log reads them.",
            "columns": {},
        }
        return facts | ({"quarantined": self._bad(file, written, select, on, rows, bad)} if bad else {})

    def _copy(self, file: Path, text: str, written: Path) -> None:
        try:
            self.connection.execute(f"copy ({text}) to {literal(str(written))} (format parquet, parquet_version v2)")
        except duckdb.Error as error:
            raise self._unreadable(file, error) from error

    def _bad(
        self, file: Path, written: Path, select: Callable[[Expressions], str], on: Expressions, rows: int, bad: int
    ) -> Quarantined:
        """What is wrong with the rows of a file, which is written once more, with their numbers.

        Raises:
            InputError: bad rows are an error.
        """
        prepare(self.connection, 1, kept=True, raw=True)
        self._copy(file, select(replace(on, numbered=True)), written)
        reason, often, number = self.connection.execute(
            f"select rule, count(*) as often, min({ROW}) as number from {parquet_rows(written)} "  # noqa: S608 - quoted
            "where rule is not null group by rule order by often desc, number limit 1"
        ).fetchall()[0]
        if not self.quarantine:
            raise InputError(
                f"{file}, row {number:,}: {reason} ({bad:,} of {rows:,} rows are bad)",
                "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
            )
        return {"quarantined": bad, "read": rows, "reason": reason, "often": often, "example": f"row {number:,}"}

    def _once(self, parts: list[Part], section: str, key: str, text: str) -> None:
        """Hold the rows to one a key."""
        tables = [parquet_rows(self.store.table(part.name)) for part in parts]
        listed = " union all ".join(f"select {key} from {table}" for table in tables)  # noqa: S608 - quoted
        found = self.connection.execute(
            f"select {key}, count(*) from ({listed}) where {key} is not null "  # noqa: S608
            f"group by {key} having count(*) > 1 order by count(*) desc, {key} limit 1"
        ).fetchall()
        if found:
            raise InputError(
                f"{self._where(section)} key = {text!r}: {found[0][0]} occurs in {found[0][1]} rows of "
                f"{', '.join(part.file for part in parts[:3])}",
                "Leave one row for each id.",
            )

    def _unreadable(self, file: Path, error: duckdb.Error) -> Exception:
        known = of_duckdb(error, f"{file}")
        lines = [line for line in str(error).splitlines() if line.strip()]
        detail = lines[0].split(": ", 1)[-1]
        return known or InputError(f"{file}: it cannot be read as the description says ({detail[:300]})", "Correct it.")
