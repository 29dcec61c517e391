"""The stage that builds the tables of `sql/` from the raw files."""

from typing import TYPE_CHECKING

from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import stage
from kraft.errors import EngineError
from kraft.stages.table_records import BuildTables, TablesBuilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from kraft.engine.sql.builder import Builder
    from kraft.stages.table_records import ResolveRaw


@stage(BuildTables, TablesBuilt)
def build_tables(
    arguments: BuildTables,
    *,
    builder: "Callable[..., Builder] | None" = None,
    resolve: "ResolveRaw | None" = None,
) -> TablesBuilt:
    """Check the raw files and bring every table up to date.

    If DuckDB fails by itself, a new session goes on from the finished tables, once: DuckDB 2.0.1 rarely fails when it
    sorts a CSV file of gigabytes.

    Args:
        arguments: what to build.
        builder: the engine that makes the tables; by default DuckDB's.
        resolve: finds the raw files; by default on this machine.

    Raises:
        InputError: a raw file breaks a rule; with quarantine, in a greater share of its rows than `max_bad_rows`; or
            more than `max_left_out` of the test rows are left out.
    """
    from kraft.engine.sql.builder import Builder
    from kraft.logs import contracts
    from kraft.stages.tables import build

    def once() -> TablesBuilt:
        return build(arguments, builder or Builder, resolve or contracts.resolve)

    try:
        return once()
    except EngineError as error:
        Progress(arguments.settings.verbosity).say(f"{error.problem}: once more, in a new session")
        return once()
