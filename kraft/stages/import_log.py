"""The stage that reads the files of a described log into typed parts."""

from pathlib import Path
from typing import Final

from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import PARALLEL, Record, stage
from kraft.engine.quarantine.quarantined import Quarantined
from kraft.engine.workspace.store import Store
from kraft.logs.read_files import ReadFiles
from kraft.settings import Settings

LOG: Final = "log"
"""Folder of the work folder for the parts."""


class ImportLog(Record):
    """What `import_log` is asked."""

    settings: Settings
    """`log` is a description, `raw` the folder of its files."""


class LogImported(Record):
    """What `import_log` made: parts in the store `LOG`, by their names."""

    description: Path
    interactions: tuple[str, ...]
    rows: tuple[int, ...]
    """Rows of each part of the interactions, bad ones too."""
    has_time: bool
    users: tuple[str, ...]
    items: tuple[str, ...]
    names: dict[str, str]
    """Part -> its file."""
    without: tuple[str, ...]
    """Groups of features that the log has no columns for."""
    rejected: dict[str, Quarantined]
    """By file."""

    def read_files(self, settings: Settings) -> ReadFiles:
        """The files, for the summary of a job."""
        logs = [self.names[part] for part in self.interactions]
        sides = [self.names[part] for part in (*self.users, *self.items)]
        return ReadFiles(logs=logs, sides=sides, optional=0, folder=str(settings.raw), unread=[])


@stage(ImportLog, LogImported, PARALLEL)
def import_log(arguments: ImportLog) -> LogImported:
    """Bring the parts of every file that the description names up to date.

    Raises:
        InputError: the description, a file or a row breaks a rule.
    """
    from kraft.engine.process.memory import Budget
    from kraft.engine.sql.session import open_session
    from kraft.logs.described import description
    from kraft.logs.described.importing import Importer
    from kraft.logs.described.log_files import readable

    settings = arguments.settings
    described = description.read(settings.log, settings.raw)
    store = Store(settings.work).inner(LOG)
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp, readable(described)) as connection:
        importer = Importer(
            connection,
            store,
            described,
            threads=settings.threads,
            quarantine=settings.on_bad_rows == "quarantine",
            most=settings.max_bad_rows,
            force=settings.force,
            progress=Progress(settings.verbosity),
        )
        users, items, interactions = importer.users(), importer.items(), importer.interactions()
    parts = [*interactions, *users, *items]
    importer.forget(parts)
    return LogImported(
        description=described.path,
        interactions=tuple(part.name for part in interactions),
        rows=tuple(part.rows + (part.quarantined["quarantined"] if part.quarantined else 0) for part in interactions),
        has_time=described.log.interactions.time is not None,
        users=tuple(part.name for part in users),
        items=tuple(part.name for part in items),
        names={part.name: part.file for part in parts},
        without=described.log.without(),
        rejected={part.file: part.quarantined for part in parts if part.quarantined},
    )
