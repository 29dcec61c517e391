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
"""Freed memory beyond this goes back to the system when a task is done. DuckDB's allocator would keep 128 MiB a thread,
and 512 MiB of what is freed at once, for the next query, beside its memory limit: three tables of an evaluation of
15 M pairs peaked at 716 MiB with that, at 634 to 657 with this, in the same time. 1 MiB saves no more, and costs
half as much system time again in a build.
"""
ADJUSTED = ("threads", "preserve_insertion_order", "disabled_optimizers", "enable_caching_operators", "memory_limit")
"""Settings that may change while a session runs; all others are locked."""


@contextmanager
def open_session(budget: Budget, threads: int, spill_parent: Path, files: Iterable[Path] = ()) -> Iterator[Connection]:
    """An in-memory DuckDB that spills to a folder of its own below ``spill_parent`` and removes it after.

    Insertion order is not preserved: every file of `sql/` orders its own rows, and without the promise
    DuckDB streams with less memory.

    Args:
        budget: of the process.
        threads: of DuckDB's.
        spill_parent: `tmp` of a work folder; made if it is not there.
        files: what may be read beside the files of that work folder. Whatever a query says, nothing else can be read
            or written, no extension loaded, no database attached, and Python's variables are not seen.
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
    # A name is asked for first, as the pattern that means it, and then the file that was found.
    connection.execute("set allowed_directories = $folders", {"folders": [str(folder), pattern(folder)]})
    # A file may be named in either way; what a link leads to is opened by the name of the link.
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
    """Set ``connection`` up for one SELECT: it sorts its own rows or keeps (``kept``) the order of an input, and
    reads a user's file (``raw``) or only tables.

    Where an order is kept, joins stay as written: DuckDB may read the other side first where that looks larger (a log
    with fewer rows than videos).
    """
    connection.execute(f"set preserve_insertion_order = {kept}")
    # An operator lays chunks of a few rows aside until there are more, and passes larger ones on meanwhile: where a
    # result is read batch by batch, DuckDB 2.0 does so even when told to preserve the order.
    connection.execute(f"set enable_caching_operators = {not kept}")
    connection.execute(f"set threads = {threads}")
    # What a Parquet file's statistics promise (no NULL in a column) would show in the bytes of the table.
    without = ["join_order", "build_side_probe_side"] * kept + ["statistics_propagation"] * raw
    connection.execute(f"set disabled_optimizers = '{','.join(without)}'")


def open_file(path: Path) -> Connection:
    """A DuckDB file, for writing the catalog."""
    return duckdb.connect(str(path), config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})


def open_probe() -> Connection:
    """A DuckDB for a glance at a file's schema."""
    return duckdb.connect(
        config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
