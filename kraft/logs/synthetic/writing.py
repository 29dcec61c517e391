"""Writes one synthetic file, block after block, under its name only once it is whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from kraft.engine.process.progress import Task
from kraft.errors import InputError

FileFormat = Literal["csv", "parquet"]
Blocks = Iterator[pl.DataFrame]
TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.3f"


def refuse_mixture(folder: Path, stems: Iterable[str], file_format: FileFormat) -> None:
    """Readers take Parquet before CSV: an older synthetic file in the other format would pass for the new one.

    Raises:
        InputError: ``folder`` holds one of ``stems`` in the other format.
    """
    other = "parquet" if file_format == "csv" else "csv"
    for stem in stems:
        path = folder / f"{stem}.{other}"
        if path.exists():
            raise InputError(
                f"{path} is there: in one folder with a new {stem}.{file_format}, one of the two would be stale",
                f"Give another folder with --to, or --format {other}, or remove that file.",
            )


def write_blocks(blocks: Blocks, folder: Path, stem: str, file_format: FileFormat, task: Task) -> int:
    """Write ``blocks`` to ``folder``/``stem``.csv or .parquet; memory: one block.

    Returns:
        rows written.
    """
    target = folder / f"{stem}.{file_format}"
    draft = folder / f".{target.name}.part"
    try:
        rows = (_write_csv if file_format == "csv" else _write_parquet)(blocks, draft, task)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return rows


def _write_csv(blocks: Blocks, path: Path, task: Task) -> int:
    rows = 0
    with path.open("wb") as file:
        for block in blocks:
            block.write_csv(file, include_header=rows == 0, datetime_format=TIME_FORMAT)
            rows += len(block)
            task.advance(len(block))
    return rows


def _write_parquet(blocks: Blocks, path: Path, task: Task) -> int:
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for block in blocks:
            table: pa.Table = block.to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
            rows += len(block)
            task.advance(len(block))
    finally:
        if writer is not None:
            writer.close()
    return rows
