"""What a job writes for the user where only Spark gets: a folder of Parquet parts at a URL."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from pyspark.sql import SparkSession

from kraft.errors import InputError, MachineError
from kraft.spark.errors import asked
from kraft.spark.frames import url_of
from kraft.spark.remote import file_system, listed, path_of
from kraft.stages import score


def export(session: SparkSession, table: Path, out: str) -> None:
    """Write a table to ``out``: at a URL as a folder of Parquet parts, else as one file, as the single machine does.

    The workers write the parts beside ``out``; then the folder gets its name. In a file system that renames in one step
    (hdfs://, file://) it is there whole or not at all, and what was there before is gone only then; an object store
    (s3a://) copies part after part.

    Args:
        session: Spark's.
        table: Parquet, of the work folder.
        out: path or URL.

    Raises:
        InputError: something else than such a folder is there.
        MachineError: it cannot be written.
    """
    if "://" not in out:
        score.export(table, out)
        return
    url = out.rstrip("/")
    there = listed(session, url)
    if any(not (one.is_file and one.name.startswith("part-")) for one in there):
        raise InputError(f"--out {out}: something else than Parquet parts is there", "Give the URL of a new folder.")
    folder, _, name = url.rpartition("/")
    draft, old = (f"{folder}/.{name}-{uuid4().hex[:8]}" for _ in range(2))
    frame = session.read.parquet(url_of(table))
    system: Any = file_system(session, url)
    try:
        asked(f"--out {out}", lambda: frame.write.parquet(draft))
        asked(f"--out {out}", lambda: _rename(session, system, draft, url, old if there else ""))
    finally:
        for left in (draft, old):
            system.delete(path_of(session, left), True)  # noqa: FBT003 - Java's


def _rename(session: SparkSession, system: Any, draft: str, url: str, old: str) -> None:  # noqa: ANN401 - Java's
    path = path_of(session, url)
    # An empty folder would take the draft into itself.
    moved = system.rename(path, path_of(session, old)) if old else not system.exists(path) or system.delete(path, False)  # noqa: FBT003
    if not (moved and system.rename(path_of(session, draft), path)):
        raise MachineError(f"{url}: the file system would not rename to it", "Nothing was written.")
