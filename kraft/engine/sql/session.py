"""The only place that opens DuckDB: memory, threads, spill folder and ordering are set together."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kraft.engine.paths import pattern
from kraft.engine.process.memory import Budget
from kraft.engine.workspace.locks import held_folder

Connection = duckdb.DuckDBPyConnection

FLUSHED = "32MiB"
"""Freed memory beyond this returns to the system after a task. By default DuckDB keeps 128 MiB a thread besides its
memory limit, which adds 60 to 80 MiB to the peak of a large evaluation and saves no time."""
ADJUSTED = ("threads", "preserve_insertion_order", "disabled_optimizers", "enable_caching_operators", "memory_limit")
"""Settings that may change while a session runs; all others are locked."""


@contextmanager
def open_session(budget: Budget, threads: int, spill_parent: Path, files: Iterable[Path] = ()) -> Iterator[Connection]:
    """An in-memory DuckDB that spills to a folder of its own below ``spill_parent`` and removes it after.

    Insertion order is not preserved: every file of `sql/` orders its rows, and DuckDB then needs less memory.

    Args:
        budget: of the process.
        threads: of DuckDB's.
        spill_parent: `tmp` of a work folder; made if it is not there.
        files: what queries may read besides the work folder. They can read or write nothing else, load no extension,
            attach no database, and see no Python variables.
    """
    spill_parent.mkdir(parents=True, exist_ok=True)
    with held_folder(spill_parent, "spill-") as spill:
        connection = duckdb.connect(
            config={
                "memory_limit": f"{budget.duckdb}B",
                "threads": threads,
                "temp_directory": str(spill),
                "preserve_insertion_order": False,
                "allocator_flush_threshold": FLUSHED,
                "allocator_bulk_deallocation_flush_threshold": FLUSHED,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        try:
            _confine(connection, spill_parent.resolve().parent, files)
            yield connection
        finally:
            connection.close()


def _confine(connection: Connection, folder: Path, files: Iterable[Path]) -> None:
    # DuckDB asks for the name as its pattern first, then for the file that it found.
    connection.execute("set allowed_directories = $folders", {"folders": [str(folder), pattern(folder)]})
    # A file may be named either way; a link's target is opened by the link's name.
    paths = {path for file in files for path in (file.absolute(), file.resolve())}
    named = {name for path in paths for name in (str(path), pattern(path))}
    connection.execute("set allowed_paths = $named", {"named": sorted(named)})
    connection.execute("set enable_external_access = false")
    connection.execute("set allowed_configs = $adjusted", {"adjusted": list(ADJUSTED)})
    connection.execute("set lock_configuration = true")


def read_parquet(connection: Connection, path: Path, *, row_numbers: bool = False) -> duckdb.DuckDBPyRelation:
    """The rows of the Parquet file ``path``, whatever its name; with ``row_numbers``, the column file_row_number."""
    return connection.read_parquet(pattern(path), hive_partitioning=False, file_row_number=row_numbers)


def prepare(connection: Connection, threads: int, *, kept: bool, raw: bool) -> None:
    """Prepare ``connection`` for one SELECT, which sorts its rows or keeps (``kept``) the order of an input, and reads
    a user's file (``raw``) or only tables.

    If the order is kept, joins stay as written: else DuckDB may read the other side first if that looks larger.
    """
    connection.execute(f"set preserve_insertion_order = {kept}")
    # This caching delays small chunks behind larger ones. If a result is read batch by batch, DuckDB 2.0 does so even
    # when told to preserve the order.
    connection.execute(f"set enable_caching_operators = {not kept}")
    connection.execute(f"set threads = {threads}")
    # Statistics of a Parquet file (no NULL in a column) would change the bytes of the table.
    without = ["join_order", "build_side_probe_side"] * kept + ["statistics_propagation"] * raw
    connection.execute(f"set disabled_optimizers = '{','.join(without)}'")


def open_file(path: Path) -> Connection:
    """A DuckDB file, for writing the catalog."""
    return duckdb.connect(str(path), config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})


def open_probe() -> Connection:
    """A DuckDB that reads a file's schema."""
    return duckdb.connect(
        config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
