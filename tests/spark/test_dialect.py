"""`kraft.spark.dialect`: what sqlglot cannot know is added, and what Spark cannot say is an error of the file."""

import doctest

import pytest
from matching import exactly

from kraft.engine.sql.queries import Query
from kraft.errors import QueryError
from kraft.spark import dialect


def test_examples_hold():
    assert doctest.testmod(dialect).failed == 0


@pytest.mark.parametrize("text", ["select 1; select 2", "select list_transform(a, x -> x from t", ""])
def test_what_is_no_select_of_the_dialect_is_an_error(text):
    with pytest.raises(QueryError, match="not a SELECT that Spark can read"):
        dialect.respelled(text)


def test_counts_are_as_wide_as_duckdbs():
    assert "CAST(ROW_NUMBER() OVER (ORDER BY a NULLS LAST) AS BIGINT)" in dialect.respelled(
        "select row_number() over (order by a) as place from t"
    )


def test_messages_name_the_file_that_is_at_fault(spark, connection, store):
    from kraft.engine.process.progress import Progress  # noqa: PLC0415
    from kraft.spark.builder import SparkBuilder  # noqa: PLC0415

    builder = SparkBuilder(connection, store, {}, {}, Progress(-1), spark=spark)
    query = Query("odd", "counts", "select nothing from nowhere")
    with pytest.raises(QueryError, match=exactly("sql/counts/odd.sql on Spark")[:-1]):
        builder._copy(query, {}, store.tmp / "odd.parquet")  # noqa: SLF001
