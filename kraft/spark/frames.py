"""What stands behind a logical table name, as a DataFrame.

Tables of the work folder, and files of numbers as the log is one, are read by the workers where they lie. Anything else
is small beside a log, and is read by DuckDB on the driver, by the very rules and with the very errors of the single
machine, and handed to the workers as Parquet.

A log is read as texts and cast here, so that what the single machine refuses is refused: a text where a number should
be, 1.7 or a number too large where an integer should be, a row with more or fewer fields than the header.
"""

import re
from pathlib import Path
from typing import Final

import duckdb
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.types import DoubleType, IntegralType, StringType, StructField, StructType

from kraft.columns import ITEM_ID, SCORE, USER_ID
from kraft.engine.paths import quoted
from kraft.engine.sql.casts import INTEGERS, TYPE_WORDS
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import Chunk, Parquet, Source
from kraft.errors import InputError
from kraft.evaluation.baselines import ScoreColumn
from kraft.spark.errors import root_reason
from kraft.spark.remote import RemoteLog, unpatterned

TYPES: Final = {"INTEGER": "int", "BIGINT": "bigint", "DOUBLE": "double", "BOOLEAN": "boolean"}
"""Types of the contracts that are no texts, as Spark calls them."""
MISFIT: Final = "kraft misfit"
"""How an error of Spark's begins that is about a value of a raw file; column and value follow."""
_SIGNS: Final = (MISFIT, "MALFORMED", "CANNOT_READ_FILE", "FAILED_READ_FILE", "is not a Parquet file")
"""What an error of Spark's says that is about the content of a file."""
_CORRECT: Final = "Correct the file. Nothing was written."
_TOLD: Final = re.compile(rf"{MISFIT}\|(\w+)\|(.*?)\|end", re.DOTALL)


def frame_of(session: SparkSession, source: Source, connection: Connection, folder: Path) -> DataFrame:
    """The rows of ``source``.

    Args:
        session: Spark's.
        source: what the single machine reads.
        connection: DuckDB's on the driver.
        folder: what DuckDB reads for the workers is written there; the DataFrame holds as long as it is there.
    """
    if isinstance(source, Parquet):
        return session.read.parquet(url_of(source.path))
    if isinstance(source, Chunk):
        return session.read.parquet(url_of(source.path)).where(sf.col(source.column).between(source.least, source.most))
    if isinstance(source, ScoreColumn):
        scores = session.read.parquet(url_of(source.path))
        return scores.select(USER_ID, ITEM_ID, sf.col(source.column).alias(SCORE))
    if isinstance(source, RemoteLog) or (isinstance(source, RawFile) and set(source.columns.values()) <= TYPES.keys()):
        header = source.check_header()
        url = source.readable if isinstance(source, RemoteLog) else url_of(source.path)
        read = session.read.parquet(url) if source.is_parquet else _texts(session, url, header)
        return read.select(*(_typed(read, name, kind) for name, kind in source.columns.items()))
    number = sum(1 for _ in folder.iterdir())
    handed, view = folder / f"handed-{number}.parquet", f"handed {number}"
    source.register(connection, view)
    connection.execute(f"copy (from {quoted(view)}) to $target (format parquet)", {"target": str(handed)})
    return session.read.parquet(url_of(handed))


def url_of(path: Path) -> str:
    r"""A local path as Spark reads it: not looked for in the cluster's file system, nor taken for a pattern.

    >>> print(url_of(Path("/data/a b/[1].csv")))
    file:///data/a b/\[1\].csv
    """
    return unpatterned(f"file://{path.resolve()}")


def _texts(session: SparkSession, url: str, header: list[str]) -> DataFrame:
    """A CSV file, or a folder of them, as texts; the first of equal names of its header counts."""
    names = [name if header.index(name) == number else f"#{number}" for number, name in enumerate(header)]
    schema = StructType([StructField(name, StringType()) for name in names])
    # FAILFAST: a row with more or fewer fields than the header is an error.
    return session.read.csv(url, schema=schema, header=True, sep=",", quote='"', escape='"', mode="FAILFAST")


def _typed(read: DataFrame, name: str, kind: str) -> Column:
    if name not in read.columns:
        return sf.lit(None).cast(TYPES[kind]).alias(name)
    column, stored = sf.col(f"`{name}`"), read.schema[name].dataType
    text = isinstance(stored, StringType)
    # An empty field is a missing value, quoted or not.
    value = sf.nullif(column, sf.lit("")) if text else column
    if kind == "BOOLEAN" or (kind in INTEGERS and isinstance(stored, IntegralType)):
        found = value.try_cast(TYPES[kind])
        wrong = found.isNull()
    else:
        number = value.try_cast("double") if text else value.cast(DoubleType())
        # Java reads a letter after the digits (1.0f, 2d) as a type.
        suffixed = sf.rlike(value, sf.lit("[0-9.][dDfF]$")) if text else sf.lit(False)  # noqa: FBT003
        wrong = number.isNull() | suffixed
        if kind in INTEGERS:
            whole = (sf.abs(number) < INTEGERS[kind]) & (number == sf.floor(number))
            if kind == "INTEGER":
                whole |= number == -INTEGERS[kind]
            wrong |= ~sf.coalesce(whole, sf.lit(False))  # noqa: FBT003
        found = sf.when(~wrong, number).cast(TYPES[kind])
    told = sf.concat(sf.lit(f"{MISFIT}|{name}|"), value.cast("string"), sf.lit("|end"))
    return sf.when(value.isNotNull() & wrong, sf.raise_error(told)).otherwise(found).cast(TYPES[kind]).alias(name)


def explained(error: Exception, source: Source, connection: Connection) -> InputError | None:
    """An error of Spark's over a raw file as one line; None if it is not one.

    DuckDB reads a file of this machine once more and says what is wrong as the single machine says it, line and all: a
    file is searched only when it is known to be bad. Of a file elsewhere the value is told.
    """
    text = str(error)
    if not isinstance(source, RawFile | RemoteLog) or not any(sign in text for sign in _SIGNS):
        return None
    if isinstance(source, RawFile):
        counted = ", ".join(f"count({quoted(name)})" for name in source.columns)
        try:
            source.register(connection, "misread")
            connection.view("misread").aggregate(counted).fetchall()
        except duckdb.Error as problem:
            return source.explain(problem)
    elif told := _TOLD.search(text):
        column, value = told[1], told[2][:60]
        words = TYPE_WORDS[source.columns[column]]
        return InputError(f"{source.path}, column {column}: '{value}' is not {words}", _CORRECT)
    return InputError(f"{source.path}: Spark cannot read it ({root_reason(text)})", _CORRECT)
