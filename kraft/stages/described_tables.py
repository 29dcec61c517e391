"""A described log in the build of the tables: its parts as sources, and the table of its bad rows."""

from collections.abc import Iterable
from pathlib import Path

from kraft.engine.quarantine.rejected_rows import REJECTED_ROWS
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.sources import Source
from kraft.engine.workspace.store import Fingerprint, Store
from kraft.logs.described import sources
from kraft.settings import Settings
from kraft.stages.import_log import LOG, LogImported


def sources_of(log: LogImported, store: Store, settings: Settings) -> tuple[dict[str, Source], dict[str, Source]]:
    """The sources of a described log.

    Raises:
        InputError: an option is given that only KuaiRec's files know.
    """
    sources.refuse("matrix", settings.matrix, "small")
    sources.refuse("protocol", settings.protocol, "chronological")
    parts = store.inner(LOG)

    def paths(names: Iterable[str]) -> tuple[Path, ...]:
        return tuple(parts.table(name) for name in names)

    columns, numbers = tuple(sources.LOG_COLUMNS), () if log.has_time else log.rows
    rows = sources.Parts(log.description, paths(log.interactions), columns, numbers)
    return sources.resolve(log.description, rows, paths(log.users), paths(log.items))


def publish_rejected(log: LogImported, builder: Builder) -> None:
    """The rows of a described log that were quarantined, as the table `rejected_rows`."""
    store = builder.store
    parts = store.inner(LOG)
    rejected = {name: file for name, file in log.names.items() if file in log.rejected}
    if not rejected:
        store.discard(REJECTED_ROWS)
        return
    digests = {f"{LOG}.{name}": parts.manifest()[name]["digest"] for name in rejected}
    fingerprint = Fingerprint(digests, {}, "1")
    if not store.stale(REJECTED_ROWS, fingerprint):
        return
    with store.scratch() as folder:
        written = folder / f"{REJECTED_ROWS}.parquet"
        select = sources.rejected_rows({file: parts.table(name) for name, file in rejected.items()})
        builder.connection.execute(f"copy ({select}) to $target (format parquet)", {"target": str(written)})
        facts = {"rows": sum(found["quarantined"] for found in log.rejected.values())}
        store.publish(REJECTED_ROWS, written, fingerprint, facts | sources.REJECTED)
