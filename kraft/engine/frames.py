"""Polars' readers over one file: its name is never a pattern, and the folders it lies in give it no columns.

Polars takes a relative `~` for the user's home: it is given absolute paths.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl


def scan_parquet(path: Path) -> pl.LazyFrame:
    """The rows of a Parquet file, read when they are asked for."""
    return pl.scan_parquet(path.absolute(), glob=False, hive_partitioning=False)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A Parquet file, or some ``columns`` of it."""
    return pl.read_parquet(path.absolute(), columns=columns, glob=False, hive_partitioning=False)  # type: ignore[arg-type]


def scan_csv(path: Path, **options: Any) -> pl.LazyFrame:  # noqa: ANN401 - Polars' own
    """The rows of a CSV file, with `polars.scan_csv`'s ``options``."""
    return pl.scan_csv(path.absolute(), glob=False, **options)


def read_csv(path: Path, **options: Any) -> pl.DataFrame:  # noqa: ANN401 - Polars' own
    """A CSV file, with `polars.read_csv`'s ``options``."""
    return pl.read_csv(path.absolute(), glob=False, **options)
