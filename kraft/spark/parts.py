"""From the parts that workers write to the one Parquet file that a table is."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession

from kraft.engine.sql.builder import ROW_GROUP
from kraft.errors import MachineError
from kraft.settings import MIB

Batches = Iterator[pa.RecordBatch]
"""What a function of `mapInArrow` takes and gives."""
TASKS_A_CORE: Final = 2
_BLOCK: Final = 128 * MIB
"""What parquet-mr asks for when it opens a file; copied row groups stay as they are."""


def shared_out(session: SparkSession, pieces: int) -> DataFrame:
    """The numbers of ``pieces`` of work, from 0 on: neighbours in one task, two tasks a core."""
    tasks = max(min(pieces, TASKS_A_CORE * session.sparkContext.defaultParallelism), 1)
    return session.range(0, pieces, 1, tasks)


def write_table(frame: DataFrame, target: Path) -> int:
    """Write the rows of ``frame`` in the order of its partitions; returns how many.

    The workers write a part each, beside ``target``; the driver copies their row groups, as they are, behind one
    another. That costs one pass over the compressed bytes and no memory, and every reader of tables goes on reading
    one file.

    Args:
        frame: what to write.
        target: the Parquet file, in a folder that driver and workers see under the same path.

    Raises:
        MachineError: the workers wrote where the driver cannot see it.
    """
    folder = target.with_name(f"parts-{target.name}")
    frame.write.option("parquet.block.row.count.limit", ROW_GROUP).parquet(f"file://{folder.resolve()}")
    parts = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    if not parts:
        raise MachineError(
            f"{target.parent}: the workers wrote nothing that the driver can see",
            "Choose a work folder that the driver and all workers see under the same path.",
        )
    if len(parts) == 1:
        parts[0].replace(target)
    else:
        _join(frame.sparkSession, parts, target)
        # Hadoop's checksum of the file, which would be wrong of whatever takes its name.
        target.with_name(f".{target.name}.crc").unlink(missing_ok=True)
    shutil.rmtree(folder)
    return int(pq.read_metadata(target).num_rows)


def _join(session: SparkSession, parts: list[Path], target: Path) -> None:
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001 - parquet-mr's own way to append row groups
    configuration = session.sparkContext._jsc.hadoopConfiguration()  # noqa: SLF001
    hadoop, parquet = jvm.org.apache.hadoop.fs, jvm.org.apache.parquet.hadoop

    def path(file: Path) -> Any:  # noqa: ANN401 - Java's
        return hadoop.Path("file", "", str(file.resolve()))

    inputs = [parquet.util.HadoopInputFile.fromPath(path(part), configuration) for part in parts]
    reader = parquet.ParquetFileReader.open(inputs[0])
    described = reader.getFooter().getFileMetaData()
    reader.close()
    writer = parquet.ParquetFileWriter(
        parquet.util.HadoopOutputFile.fromPath(path(target), configuration),
        described.getSchema(),
        parquet.ParquetFileWriter.Mode.CREATE,
        _BLOCK,
        0,
    )
    writer.start()
    for part in inputs:
        writer.appendFile(part)
    writer.end(described.getKeyValueMetaData())
