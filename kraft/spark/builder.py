"""`kraft.engine.sql.builder` on Spark: the same files of `sql/`, checks and manifest, and files of the same form.

Only what makes a table is another: the workers run its SELECT and write its rows in parts, and the driver joins these
to the one Parquet file that a table is. So driver and workers have to see the work folder under the same path. What is
small the driver's own DuckDB reads, as on the single machine.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from kraft.engine.sql.builder import SHOWN_OFFENDERS, Builder
from kraft.engine.sql.queries import Query
from kraft.engine.sql.sources import Source
from kraft.errors import KraftError, QueryError
from kraft.spark.dialect import respelled
from kraft.spark.errors import OF_SPARK, told_by
from kraft.spark.frames import explained, frame_of
from kraft.spark.parts import write_table

Result = TypeVar("Result")
_OF_THE_FILE = ("AnalysisException", "ParseException")
"""Errors that are a file of sql/'s, not the machine's."""


@dataclass
class SparkBuilder(Builder):
    """Makes tables with Spark."""

    spark: SparkSession = field(kw_only=True)

    def _put(self, name: str, source: Source, folder: Path) -> None:
        frame = self._asked(name, lambda: frame_of(self.spark, source, self.connection, folder))
        frame.createOrReplaceTempView(name)

    def _copy(self, query: Query, parameters: dict[str, Any], target: Path) -> int:
        statement = respelled(query.text)
        return self._asked(query.name, lambda: write_table(self._select(statement, parameters), target), query)

    def _offenders(self, check: Query) -> list[dict[str, Any]]:
        found = self._select(respelled(check.text), self._parameters(check)).limit(SHOWN_OFFENDERS)
        return [row.asDict() for row in self._asked(check.name, found.collect, check)]

    def _select(self, statement: str, parameters: dict[str, Any]) -> DataFrame:
        arguments = {
            name: sf.array(*map(sf.lit, value)) if isinstance(value, list) else value
            for name, value in parameters.items()
        }
        return self.spark.sql(statement, args=arguments)

    def _asked(self, name: str, ask: Callable[[], Result], query: Query | None = None) -> Result:
        """What Spark answers; its errors as KRAFT's."""
        try:
            return ask()
        except OF_SPARK as error:
            raise self._explained(name, query, error) from error

    def _explained(self, name: str, query: Query | None, error: Exception) -> KraftError:
        for part in query.inputs if query else (name,):
            if part in self.raw and (about_file := explained(error, self.raw[part], self.connection)):
                return about_file
        if query and type(error).__name__ in _OF_THE_FILE:
            return QueryError(f"sql/{query.stage}/{query.name}.sql on Spark: {str(error).splitlines()[0]}")
        return told_by(error, f"table {name}")
