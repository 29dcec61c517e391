"""Every file of `sql/` gives the same table on DuckDB and on Spark: types, rows, order; doubles within 1e-9."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow.parquet as pq
import pytest
from same_tables import assert_same_tables
from spark_world import BROKEN, OTHERWISE, SETTINGS, World
from sql_schemas import schema_of

from kraft.engine.process.progress import Progress
from kraft.engine.sql.queries import all_queries
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.spark.builder import SparkBuilder
from kraft.spark.dialect import respelled
from kraft.spark.parts import write_table
from kraft.spark.session import spark_session

CASES = {
    f"{query.name}-otherwise" if settings is not SETTINGS else query.name: (query, settings)
    for query in all_queries().values()
    for settings in (SETTINGS, SETTINGS | OTHERWISE)
    if settings is SETTINGS or set(query.parameters) & set(OTHERWISE)
}
AT_ONCE = 3
"""Queries: most of their time is planning, in one thread."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def answers(world, request, tmp_path_factory):
    """Of the cases that are asked for: DuckDB's table, and what will be Spark's."""
    folder = tmp_path_factory.mktemp("found")
    own = [item for item in request.session.items if item.path == request.path]
    asked = {item.callspec.params["case"] for item in own if "case" in item.fixturenames}

    def answer(case, inputs):
        query, settings = CASES[case]
        # A session of its own has views of its own.
        builder = SparkBuilder(
            world.connection,
            Store(folder / case),
            inputs,
            settings,
            Progress(-1),
            spark=spark_session("local[2]").newSession(),
        )
        found = folder / f"{case}.parquet"
        # What `ensure` does without the checks, of which the inputs here are full of offenders.
        parameters = builder._parameters(query)  # noqa: SLF001
        builder._register(query, folder)  # noqa: SLF001
        if query.stage == "checks":
            write_table(builder._select(respelled(query.text), parameters), found)  # noqa: SLF001
        else:
            builder._copy(query, parameters, found)  # noqa: SLF001
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = {}
        for case in filter(asked.__contains__, CASES):
            query, settings = CASES[case]
            expected = world.answer(query, settings, f"{case} expected")
            inputs = {name: Parquet(path) for name, path in world.inputs(query).items()}
            made[case] = expected, pool.submit(answer, case, inputs)
        yield made


@pytest.mark.parametrize("case", CASES)
def test_file_gives_the_same_table(case, answers):
    expected, found = answers[case]
    rows = pq.read_table(expected).num_rows
    assert rows
    assert rows == 1 if CASES[case][0].grain == "one row" else True
    assert_same_tables(found.result(), expected)


def test_the_world_is_not_tiny_and_full_of_what_engines_disagree_about(world):
    (interactions,) = (world.answer(all_queries()[name], SETTINGS, name) for name in ("interactions",))
    table = pq.read_table(interactions)
    assert len(table) > 100_000
    assert table["timestamp"].null_count > 1000
    assert table["copies"].to_numpy().max() >= 3
    assert len(np.unique(table["timestamp"].drop_null())) < len(table) - 10_000


def test_every_check_and_every_search_for_faults_is_run_on_faults():
    assert {query.name for query in all_queries().values() if query.stage == "checks"} <= set(BROKEN)
    assert {name for name in all_queries() if name.endswith("_violations")} <= set(BROKEN)


def test_types_are_those_that_the_headers_promise(world):
    """What Spark is held against here is what `sql_schemas` derives for the headers."""
    query = all_queries()["pair_features"]
    made = pq.read_schema(world.answer(query, SETTINGS, "pair_features"))
    assert list(schema_of("pair_features")) == made.names
