"""Builds tables from the files of `sql/`: in the order of their inputs, only what is out of date."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from kraft.engine.process.memory import peak_bytes
from kraft.engine.process.os_errors import of_duckdb
from kraft.engine.process.progress import Progress
from kraft.engine.quarantine.screening import QuarantinedFile
from kraft.engine.sql.chunks import chunks_of, rows_of
from kraft.engine.sql.distinct import DISTINCT, repeats, ungrouped
from kraft.engine.sql.queries import Query, all_queries, checks_of
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection, prepare
from kraft.engine.sql.sources import Parquet, Source
from kraft.engine.workspace.store import Fingerprint, Store
from kraft.errors import InputError, QueryError
from kraft.settings import MIB

ROW_GROUP = 65_536
"""Rows a Parquet row group: what a reader that streams holds at once, about 2 MiB of a feature table."""
ENCODING = "parquet_version v2, dictionary_size_limit 256"
"""Numbers of many values are written as differences or split by bytes instead of through a dictionary: the interactions
take a sixth less disk (85 MiB instead of 102 at full size), and less time to write."""
SHOWN_OFFENDERS = 3
ROWS = "made_rows"
"""What rows that are made elsewhere are selected from."""


@dataclass
class Builder:
    """Brings tables up to date in one session and store.

    Raises (from `ensure`):
        InputError: a raw file breaks its contract, or a check found offending rows; the table and what
            depends on it keep their last complete state.
        EngineError: DuckDB failed by itself; the session is lost.
    """

    connection: Connection
    store: Store
    raw: Mapping[str, Source]
    """Logical name -> what stands behind it from outside: raw files, or tables of another store."""
    settings: Mapping[str, Any]
    """Values for the `$parameters` of the files."""
    progress: Progress
    threads: int = 1
    force: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Table -> file of `sql/` that makes it here, in place of the file of its name."""
    quarantine: Callable[[str], bool] | None = None
    """Asked, by the logical name of a raw file that a table could not be made of, to put a source without its bad rows
    into `raw`; False if that changes nothing. None: bad rows are an error."""
    built: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> facts (rows, seconds, peak_mib, reason) of what this run made."""
    reused: list[str] = field(default_factory=list)
    _digests: dict[str, str] = field(default_factory=dict)

    def ensure(self, name: str) -> Path:
        """The table's file, up to date."""
        self._ensure(name)
        return self.store.table(name)

    def _ensure(self, name: str) -> str:
        """Bring ``name`` and its inputs up to date; returns the digest of its fingerprint."""
        if name in self._digests:
            return self._digests[name]
        if name in self.raw:
            digest = self.raw[name].state()
        else:
            query = _find(self.overrides.get(name, name))
            checks = checks_of(query.name)
            # From here on it goes by the name of what it makes.
            query = replace(query, name=name)
            fingerprint = Fingerprint(
                inputs={part: self._ensure(part) for part in query.inputs},
                settings=self._parameters(query),
                code="-".join([query.digest, *(check.digest for check in checks)]),
            )
            reason = "--force" if self.force else self.store.stale(name, fingerprint)
            if reason:
                try:
                    self._build(query, checks, fingerprint, reason)
                except InputError:
                    if not self._without_bad_rows(query):
                        raise
                    return self._ensure(name)
            else:
                self.reused.append(name)
            digest = fingerprint.digest
        self._digests[name] = digest
        return digest

    def _without_bad_rows(self, query: Query) -> bool:
        files = [part for part in query.inputs if isinstance(self.raw.get(part), RawFile)]
        changed = [part for part in files if self.quarantine and self.quarantine(part)]
        for part in changed:
            self._digests.pop(part, None)
        return bool(changed)

    def _parameters(self, query: Query) -> dict[str, Any]:
        missing = [name for name in query.parameters if name not in self.settings]
        if missing:
            raise QueryError(f"sql/{query.stage}/{query.name}.sql: no setting is called {missing[0]}")
        return {name: self.settings[name] for name in query.parameters}

    def source(self, name: str) -> Source:
        return self.raw[name] if name in self.raw else Parquet(self.store.table(name))

    def rows_of(self, name: str) -> int:
        """Rows of a table that is up to date, or of a source."""
        self.source(name).register(self.connection, name)
        return int(self.connection.view(name).aggregate("count(*)").fetchall()[0][0])

    def _build(self, query: Query, checks: list[Query], fingerprint: Fingerprint, reason: str) -> None:
        started = time.monotonic()
        with self.store.scratch() as folder:
            written = folder / f"{query.name}.parquet"
            try:
                self._register(query, folder)
                rows = self._copy(query, dict(fingerprint.settings), written)
                self._check(query, checks, written)
            finally:
                # Also after an error: if a file changed, that is its reason.
                self._verify_unchanged(fingerprint)
            facts = {
                "rows": rows,
                "seconds": round(time.monotonic() - started, 3),
                "peak_mib": round(peak_bytes() / MIB),
            }
            meaning = {"purpose": f"{query.purpose} Grain: {query.grain}.", "columns": query.columns}
            self.store.publish(query.name, written, fingerprint, {**facts, **meaning})
        self.built[query.name] = {**facts, "reason": reason}
        self.progress.detail(f"  {query.name:<20} {rows:>12,} rows  {facts['seconds']:6.2f} s  ({reason})")

    def _register(self, query: Query, folder: Path) -> None:
        try:
            for part in query.inputs:
                self._put(part, self.source(part), folder)
        except duckdb.Error as error:
            raise self._explain(query, error) from error

    def _put(self, name: str, source: Source, folder: Path) -> None:  # noqa: ARG002 - other engines write there
        """Make ``source`` selectable as ``name`` until the table is made; ``folder`` is there as long."""
        source.register(self.connection, name)

    def _verify_unchanged(self, fingerprint: Fingerprint) -> None:
        for name, state in fingerprint.inputs.items():
            source = self.raw.get(name)
            if source is None:
                continue
            try:
                now = source.state()
            except FileNotFoundError:
                now = ""
            if now != state:
                path = getattr(source, "path", name)
                raise InputError(
                    f"{path}: it {'changed' if now else 'vanished'} while it was read",
                    "Wait until it is written to its end, and run the job again. Nothing was written.",
                )

    def _copy(self, query: Query, parameters: dict[str, Any], target: Path) -> int:
        try:
            try:
                return self._copy_on(self.threads, query, parameters, target)
            except duckdb.OutOfMemoryException:
                if self.threads == 1:
                    raise
                # Each thread holds a block of every partition that it groups or sorts, and cannot spill these.
                self.progress.detail(f"  {query.name:<20} (no room for {self.threads} threads: once more on one)")
                return self._copy_on(1, query, parameters, target)
        except duckdb.Error as error:
            raise self._explain(query, error) from error

    def _copy_on(self, threads: int, query: Query, parameters: dict[str, Any], target: Path) -> int:
        """Write the rows of a query, at once or chunk by chunk."""
        raw = any(isinstance(self.raw.get(part), RawFile | QuarantinedFile) for part in query.inputs)
        prepare(self.connection, threads, kept=False, raw=raw)
        if query.name in DISTINCT:
            rows = self._write(ungrouped(query), parameters, target)
            if not self._repeats(query.name, target):
                return rows
            prepare(self.connection, threads, kept=False, raw=raw)
        chunks = chunks_of(self.connection, query, {part: self.source(part) for part in query.inputs})
        if not chunks:
            return self._write(query.text, parameters, target)
        # A cursor is a separate connection: one connection runs one query at a time.
        with self.connection.cursor() as beside:
            prepare(beside, threads, kept=False, raw=raw)
            # The SELECT sorts the rows of each chunk, and the chunks follow one another.
            prepare(self.connection, threads, kept=True, raw=raw)
            with rows_of(beside, query, parameters, chunks) as rows:
                self.connection.register(ROWS, rows)
                try:
                    return self._write(f"select * from {ROWS}", {}, target)  # noqa: S608
                finally:
                    self.connection.unregister(ROWS)

    def _repeats(self, table: str, written: Path) -> bool:
        Parquet(written).register(self.connection, table)
        prepare(self.connection, self.threads, kept=True, raw=False)
        return repeats(self.connection, table)

    def _write(self, select: str, parameters: dict[str, Any], target: Path) -> int:
        copy = f"copy ({select}\n) to $target_file (format parquet, row_group_size {ROW_GROUP}, {ENCODING})"
        return int(self.connection.execute(copy, {**parameters, "target_file": str(target)}).fetchall()[0][0])

    def _check(self, query: Query, checks: list[Query], written: Path) -> None:
        if checks:
            self._put(query.name, Parquet(written), written.parent)
        for check in checks:
            for part in check.inputs:
                if part != query.name:
                    self._ensure(part)
                    self._put(part, self.source(part), written.parent)
            if rows := self._offenders(check):
                raise InputError(*self._complaint(query, check, rows))

    def _offenders(self, check: Query) -> list[dict[str, Any]]:
        """The first rows that a check finds."""
        prepare(self.connection, self.threads, kept=False, raw=False)
        limited = f"select * from ({check.text}\n) limit {SHOWN_OFFENDERS}"  # noqa: S608
        result = self.connection.execute(limited, self._parameters(check))
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _complaint(self, query: Query, check: Query, rows: list[dict[str, Any]]) -> tuple[str, str]:
        sources = [self.raw[part] for part in query.inputs if part in self.raw]
        files = [str(source.path) for source in sources if isinstance(source, RawFile | Parquet | QuarantinedFile)]
        where = files[0] if files else f"table {query.name}"
        rule = rows[0].get("rule", check.purpose)
        also = ", or use --on-bad-rows quarantine" if check.rejects else ""
        remedy = rows[0].get("remedy") or f"Correct these rows{also}. Nothing was written."
        shown = "; ".join(
            ", ".join(f"{name} {value}" for name, value in row.items() if name not in {"rule", "remedy"})
            for row in rows
            if row.get("rule", rule) == rule
        )
        return f"{where}: {rule} (first: {shown})", remedy

    def _explain(self, query: Query, error: duckdb.Error) -> Exception:
        for part in query.inputs:
            source = self.raw.get(part)
            if isinstance(source, RawFile) and (about_file := source.explain(error)):
                return about_file
        if known := of_duckdb(error, f"table {query.name}"):
            return known
        return QueryError(f"sql/{query.stage}/{query.name}.sql: {error}")


def _find(name: str) -> Query:
    queries = all_queries()
    if name not in queries:
        raise QueryError(f"no file of sql/ and no raw file is called {name}")
    return queries[name]
