"""The files of `sql/` in Spark's words.

They keep to a dialect that DuckDB and Spark share, so that sqlglot only respells them. One thing is added: what Spark
counts in 32 bits (ranks in a window, the length of a list) is widened to DuckDB's 64.
"""

from functools import cache

import sqlglot
from sqlglot import ErrorLevel, exp

from kraft.errors import QueryError

SPARK = "spark"


@cache
def respelled(text: str) -> str:
    """A SELECT of the shared dialect as Spark reads it.

    >>> respelled("select a // 2 as b from t order by b")
    'SELECT a DIV 2 AS b FROM t ORDER BY b NULLS LAST'

    Raises:
        QueryError: it is no single SELECT, or sqlglot knows no words for a part of it.
    """
    try:
        (statement,) = sqlglot.parse(text, read="duckdb")
        return str(statement.transform(_widened).sql(SPARK, unsupported_level=ErrorLevel.RAISE, comments=False))
    except (sqlglot.errors.SqlglotError, AttributeError, ValueError) as error:
        raise QueryError(f"not a SELECT that Spark can read: {error}") from error


def _widened(node: exp.Expression) -> exp.Expression:
    """A count that Spark makes an INT as the BIGINT that DuckDB makes it."""
    ranks = isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank)
    return exp.cast(node, "bigint") if ranks or isinstance(node, exp.ArraySize) else node
