"""`kraft.spark.dialect`: what sqlglot cannot know is added, and what Spark cannot say is an error of the file."""

import doctest

import pytest
from matching import exactly

from kraft.engine.queries import Query, all_queries
from kraft.errors import QueryError
from kraft.spark import dialect


def test_examples_hold():
    assert doctest.testmod(dialect).failed == 0


def test_alike_rows_are_added_up_by_the_select_itself():
    assert "GROUP BY" in dialect.spark_sql(all_queries()["interactions"])


def test_an_order_that_is_kept_is_asked_for():
    keys = dialect.order_keys(all_queries()["interactions_train"])
    assert keys[:3] == ["timestamp nulls last", "user_id", "item_id"]
    assert dialect.spark_sql(all_queries()["interactions_train"]).endswith("positive_interaction NULLS LAST")


def test_an_order_by_columns_that_are_not_there_needs_a_file_for_spark():
    query = Query(
        "shortened",
        "split",
        "select user_id from interactions",
        columns={"user_id": "id"},
        inputs=("interactions",),
        order=("interactions", "user_id"),
    )
    with pytest.raises(QueryError, match=r"keeps an order by timestamp, which is not a column of it") as raised:
        dialect.spark_sql(query)
    assert "shortened.spark.sql" in raised.value.remedy


@pytest.mark.parametrize("text", ["select 1; select 2", "select list_transform(a, x -> x from t", ""])
def test_what_is_no_select_of_the_dialect_is_an_error(text):
    with pytest.raises(QueryError, match="not a SELECT that Spark can read"):
        dialect.respelled(text)


def test_counts_are_as_wide_as_duckdbs():
    assert "CAST(ROW_NUMBER() OVER (ORDER BY a NULLS LAST) AS BIGINT)" in dialect.respelled(
        "select row_number() over (order by a) as place from t"
    )


def test_only_files_for_spark_have_siblings():
    siblings = {query.name: set(query.siblings) for query in all_queries().values() if query.siblings}
    assert siblings == {"ranker_train": {dialect.SPARK}}


def test_messages_name_the_file_that_is_at_fault(spark, connection, store):
    from kraft.engine.progress import Progress  # noqa: PLC0415
    from kraft.spark.builder import SparkBuilder  # noqa: PLC0415

    builder = SparkBuilder(connection, store, {}, {}, Progress(-1), spark=spark)
    query = Query("odd", "counts", "select nothing from nowhere")
    with pytest.raises(QueryError, match=exactly("sql/counts/odd.sql on Spark")[:-1]):
        builder._copy(query, {}, store.tmp / "odd.parquet")  # noqa: SLF001
