"""--on-bad-rows quarantine: raw files go without their bad rows, which stand in the table `rejected_rows` instead."""

from collections.abc import Mapping
from typing import Any, Final

from kraft.engine.paths import literal, quoted
from kraft.engine.quarantine.quarantined import Quarantined
from kraft.engine.quarantine.screening import CODE, COLUMNS, QuarantinedFile, checks_of_rows, hold_share
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import Source
from kraft.engine.workspace.store import Fingerprint, Store

REJECTED_ROWS: Final = "rejected_rows"
_FACTS: Final = "quarantined"
"""What the manifest says of the table: a `Quarantined` a file."""
_PURPOSE: Final = (
    "Rows of the raw files that were quarantined, and why. Grain: one row a row quarantined, its first fault."
)


class Quarantine:
    """The raw files of one build, some of them without their bad rows.

    Args:
        store: gets the table.
        connection: reads the files.
        raw: the sources of the build, by logical name. A file that an earlier job had to quarantine rows of, and that
            has not changed, is replaced by what was left of it at once.
        settings: for the parameters of the files of `sql/`.
    """

    def __init__(
        self, store: Store, connection: Connection, raw: dict[str, Source], settings: Mapping[str, Any]
    ) -> None:
        self._store, self._connection, self._raw, self._settings = store, connection, raw, settings
        known = store.entry(REJECTED_ROWS)
        for name in known["fingerprint"]["inputs"] if known else ():
            file = raw.get(name)
            if isinstance(file, RawFile) and file.key:
                raw[name] = QuarantinedFile(file, name, settings)
        if known and known["fingerprint"] != self._fingerprint().as_json():
            # Other bytes, or other rules: each file has to show again whether it has bad rows.
            raw |= {name: source.file for name, source in self._quarantined_files().items()}
        for source in self._quarantined_files().values():
            # What an earlier job was allowed, this one may not be.
            hold_share(source.path, self._known()[source.path.name], settings["max_bad_rows"])

    def quarantine(self, name: str) -> bool:
        """Replace the raw file ``name`` by its good rows; False if none of its rows is bad."""
        file = self._raw[name]
        if not isinstance(file, RawFile) or not file.key:
            return False
        left = QuarantinedFile(file, name, self._settings)
        left.read(self._connection)
        bad = left.found is not None and left.found["quarantined"] > 0
        if bad:
            self._raw[name] = left
        return bad

    def found(self) -> dict[str, Quarantined]:
        """What was quarantined by file, of the files that have such rows, as far as it is known by now."""
        known = self._known()
        told = {
            source.path.name: source.found or known.get(source.path.name)
            for source in self._quarantined_files().values()
        }
        return {file: found for file, found in told.items() if found}

    def publish(self) -> dict[str, Quarantined]:
        """Bring the table up to date; returns what was quarantined by file, of the files that have such rows."""
        files = self._quarantined_files()
        if not files:
            self._store.discard(REJECTED_ROWS)
            return {}
        if not self._store.stale(REJECTED_ROWS, self._fingerprint()):
            return self._known()
        for source in files.values():
            if source.found is None:
                source.read(self._connection)
        rows = " union all ".join(
            f"select {literal(source.path.name)} as file, * from {quoted(source.bad)}"  # noqa: S608 - quoted names
            for source in files.values()
        )
        by_file = self.found()
        with self._store.scratch() as folder:
            written = folder / f"{REJECTED_ROWS}.parquet"
            self._connection.execute(
                f"copy ({rows} order by file, line) to $target (format parquet)", {"target": str(written)}
            )
            quarantined_rows = sum(found["quarantined"] for found in by_file.values())
            facts = {"rows": quarantined_rows, _FACTS: by_file, "purpose": _PURPOSE, "columns": COLUMNS}
            self._store.publish(REJECTED_ROWS, written, self._fingerprint(), facts)
        return by_file

    def _known(self) -> dict[str, Quarantined]:
        """What the table that is there was made with."""
        entry = self._store.entry(REJECTED_ROWS)
        return dict(entry.get(_FACTS, {})) if entry else {}

    def _quarantined_files(self) -> dict[str, QuarantinedFile]:
        return {name: source for name, source in self._raw.items() if isinstance(source, QuarantinedFile)}

    def _fingerprint(self) -> Fingerprint:
        inputs = {name: source.state() for name, source in self._quarantined_files().items()}
        rules = [check.digest for name in inputs for check in checks_of_rows(name)]
        return Fingerprint(inputs, {}, "-".join([CODE, _FACTS, *rules]))


def publish(store: Store, quarantine: Quarantine | None) -> dict[str, Quarantined]:
    """`Quarantine.publish`; without one, bad rows are errors, and a table of such rows would be of other tables."""
    if quarantine is None:
        store.discard(REJECTED_ROWS)
        return {}
    return quarantine.publish()
