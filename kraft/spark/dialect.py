"""The files of `sql/` in Spark's words.

They keep to a dialect that DuckDB and Spark share, so that sqlglot only respells them; where it cannot, a file
NAME.spark.sql stands beside NAME.sql. Three things are added. Rows that are alike are added up by the SELECT itself
(`Query.whole`). Spark promises no order of an input: a file that keeps one is sorted by what that input is
sorted by. And what Spark counts in 32 bits (places in a window, the length of a list) is widened to DuckDB's 64.
"""

from functools import cache

import sqlglot
from sqlglot import ErrorLevel, exp

from kraft.engine.queries import Query, all_queries, sort_of
from kraft.errors import QueryError

SPARK = "spark"


def spark_sql(query: Query) -> str:
    """One SELECT for Spark, over the same logical names; `$name` parameters are `:name`.

    Raises:
        QueryError: the file says something that Spark cannot, or keeps an order by columns that it does not have.
    """
    if SPARK in query.siblings:
        return respelled(query.siblings[SPARK])
    if not query.order:
        return respelled(query.whole)
    keys = order_keys(query)
    lacking = [key for key in map(_column_of, keys) if key not in query.columns]
    if lacking:
        raise QueryError(
            f"sql/{query.stage}/{query.name}.sql keeps an order by {lacking[0]}, which is not a column of it",
            f"Say it for Spark in {query.name}.{SPARK}.sql.",
        )
    return respelled(f"select * from ({query.text}\n) as kept order by {', '.join(keys)}")  # noqa: S608


def order_keys(query: Query) -> list[str]:
    """What the rows of a file are sorted by, as the file (or the one whose order it keeps) says it.

    >>> order_keys(all_queries()["pair_features"])
    ['user_id', 'item_id']
    """
    if query.order:
        return order_keys(all_queries()[query.order[0]])
    return sort_of(query.whole)


def _column_of(key: str) -> str:
    return key.split(maxsplit=1)[0]


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
    place = isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank)
    return exp.cast(node, "bigint") if place or isinstance(node, exp.ArraySize) else node
