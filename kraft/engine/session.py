"""The only place that opens DuckDB: memory, threads, spill folder and ordering are set together."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import duckdb

from kraft.engine.budget import Budget

Connection = duckdb.DuckDBPyConnection


@contextmanager
def open_session(budget: Budget, threads: int, spill_parent: Path) -> Iterator[Connection]:
    """An in-memory DuckDB that spills to a folder of its own below ``spill_parent`` and removes it after.

    Insertion order is not preserved: every file of `sql/` orders its own rows, and without the promise
    DuckDB streams with less memory. Extensions are neither fetched nor loaded.
    """
    spill_parent.mkdir(parents=True, exist_ok=True)
    spill = mkdtemp(prefix="spill-", dir=spill_parent)
    connection = duckdb.connect(
        config={
            "memory_limit": f"{budget.duckdb}B",
            "threads": threads,
            "temp_directory": spill,
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)


def open_file(path: Path) -> Connection:
    """A DuckDB file, for writing the catalog."""
    return duckdb.connect(str(path))


def open_probe() -> Connection:
    """A DuckDB for a glance at a file's schema."""
    return duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})
