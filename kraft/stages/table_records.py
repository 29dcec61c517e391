"""What the stage `build_tables` is asked, and what it made."""

from typing import TYPE_CHECKING, Any

from kraft.engine.process.stage import Record
from kraft.engine.quarantine.quarantined import Quarantined
from kraft.logs.losses import Losses, PeriodRows
from kraft.logs.read_files import ReadFiles
from kraft.settings import Settings
from kraft.stages.import_log import LogImported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kraft.engine.sql.sources import Source

    ResolveRaw = Callable[[Path | str, str], tuple[Mapping[str, Source], Mapping[str, Source]]]
    """`kraft.logs.contracts.resolve`, or what finds raw files elsewhere."""


class BuildTables(Record):
    """What `build_tables` is asked."""

    settings: Settings
    """`raw` is set."""
    tables: tuple[str, ...] = ()
    """Names to build; none: those of the preset, and what its ranker learns from."""
    more: tuple[str, ...] = ()
    """Names of further tables to build after them."""
    commit: bool = True
    """Whether to show readers the result at the end."""
    log: LogImported | None = None
    """The parts of a described log; None: the raw files are KuaiRec's."""


class TableBuilt(Record):
    """One table that was made."""

    rows: int
    seconds: float
    peak_mib: int
    reason: str
    """Why it was made: new, --force, or what changed."""


class TablesBuilt(Record):
    """What `build_tables` made."""

    built: dict[str, TableBuilt]
    """By name; those of the history begin with `fit.`."""
    reused: list[str]
    """Names of those that were up to date."""
    absent: list[str]
    """Optional raw files that are not there, by the names of their raw tables; empty if no table reads them."""
    split: dict[str, Any]
    """The row of the table `split`, and `cut_time`: the cut in UTC+8, empty if it has no time."""
    interactions: int
    """Rows of the log, exact copies dropped."""
    duplicates: int
    """Copies that were dropped."""
    rejected: dict[str, Quarantined]
    """Raw file -> what was quarantined of it."""
    test_rows: PeriodRows | None
    """Rows of the test period, tested and left out; None if that table was not asked for."""
    label_rows: PeriodRows | None
    """The same of the rows that the ranker learns from."""
    files: ReadFiles
    """The raw files that were read."""
    catalog: str
    """Path of the DuckDB file that shows the tables."""

    @property
    def losses(self) -> Losses:
        """Rows that do not count."""
        return Losses(self.rejected, self.test_rows, self.label_rows)
