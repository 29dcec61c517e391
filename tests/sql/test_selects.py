"""The SELECT is the table: each file of `sql/`, pasted into a plain DuckDB over its inputs, gives the rows that the
engine writes, in their order, also where rows and pairs repeat.
"""

import duckdb
import pytest
from small_log import log_rows, run_build, write_raw
from spark_world import OTHERWISE, SETTINGS, World

from kraft.engine.process.progress import Progress
from kraft.engine.sql import chunks
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.queries import all_queries
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.logs.contracts import resolve
from kraft.settings import Settings
from kraft.stages.table_lists import DETAIL_TABLES

QUERIES = all_queries()
TABLES = [name for name, query in QUERIES.items() if query.stage != "checks"]
CHECKS = [name for name, query in QUERIES.items() if query.stage == "checks"]


def pasted(query, sources, parameters):
    """Columns with their types, and rows, of the text as it stands in a DuckDB that nobody has set up."""
    with duckdb.connect() as plain:
        for name, source in sources.items():
            source.register(plain, name)
        result = plain.execute(query.text, {name: parameters[name] for name in query.parameters})
        return told(result)


def published(path):
    with duckdb.connect() as plain:
        return told(plain.execute("from read_parquet($path)", {"path": str(path)}))


def told(result):
    # As texts, since NaN is not equal to itself.
    return [(column[0], str(column[1])) for column in result.description], list(map(repr, result.fetchall()))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(
    "settings",
    [pytest.param(SETTINGS, id="defaults"), pytest.param(SETTINGS | OTHERWISE, id="otherwise", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", TABLES)
def test_pasted_select_is_what_the_engine_writes(world, name, settings, tmp_path, monkeypatch):
    # A table that can be made in chunks is.
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 20_000)
    query = QUERIES[name]
    sources = {part: Parquet(path) for part, path in world.inputs(query).items()}
    builder = Builder(world.connection, Store(tmp_path), sources, settings, Progress(-1), threads=2)
    # What `ensure` does without the checks, of which these inputs are full of offenders.
    builder._register(query, tmp_path)  # noqa: SLF001
    builder._copy(query, builder._parameters(query), tmp_path / "made.parquet")  # noqa: SLF001
    made = published(tmp_path / "made.parquet")
    assert made == pasted(query, sources, settings)
    assert made[1]


@pytest.fixture(scope="module", params=["kraft", "documented"])
def built(request, tmp_path_factory):
    """A work folder over a log with copies and pairs that meet again, with and without a time."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = log_rows(120)
    again = [row._replace(timestamp=row.timestamp and row.timestamp + 86_400) for row in rows[::2]]
    null_timestamps = [row._replace(play_duration=row.play_duration + 1) for row in rows[-5:]]
    write_raw(folder / "raw", [*rows, *rows[::3], *rows[::6], *again, *null_timestamps])
    run_build(folder / "raw", folder / "work", preset=request.param, threads=2)
    return folder


def test_every_published_table_is_its_select(built):
    settings = Settings(raw=built / "raw", work=built / "work")
    raw, extras = resolve(built / "raw", "small")
    main = Store(settings.work)
    compared = 0
    for store in (main, main.inner("fit")):
        inputs = {**raw, **extras, **{name: Parquet(store.table(name)) for name in store.manifest() if name in QUERIES}}
        if store is not main:
            # The train period takes the place of the log.
            inputs |= {name: Parquet(main.table(name)) for name in DETAIL_TABLES}
            inputs |= {"interactions": Parquet(main.table("interactions_train"))}
        for name, entry in store.manifest().items():
            query = QUERIES[name]
            sources = {part: inputs[part] for part in query.inputs}
            assert published(store.table(name)) == pasted(query, sources, entry["fingerprint"]["settings"]), name
            compared += 1
        for check in map(QUERIES.get, CHECKS):
            if check.guards in store.manifest() and set(check.inputs) <= set(inputs):
                parameters = {**settings.model_dump(), **store.entry("split")["fingerprint"]["settings"]}
                sources = {part: inputs[part] for part in check.inputs}
                assert pasted(check, sources, parameters)[1] == [], check.name
    assert compared > 15
    log = f"from '{main.table('interactions')}' select max(copies), count(*), count(distinct (user_id, item_id))"
    ((most, interactions, pairs),) = duckdb.sql(log).fetchall()
    assert most >= 3
    assert interactions > pairs
