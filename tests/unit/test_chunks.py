"""`kraft.engine.sql.chunks`: a table that is made a chunk of users at a time is the table that is made at once."""

import threading
from dataclasses import replace

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching import exactly
from small_log import run_build

from kraft.engine.process.progress import Progress
from kraft.engine.sql import chunks, queries
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.queries import Query
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.errors import QueryError

IDS = st.none() | st.integers(-3, 12)


@given(drawn=st.lists(IDS, min_size=1, max_size=60), others=st.lists(IDS, max_size=20), most=st.integers(1, 30))
def test_every_row_is_in_one_chunk_and_the_chunks_ascend(drawn, others, most):
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as connection:
        patch.setattr(chunks, "CHUNK_ROWS", most)
        tables = {"first": drawn, "other": others}
        for table, values in tables.items():
            connection.execute(f"create table {table} (id integer)")
            connection.executemany(f"insert into {table} values (?)", [[value] for value in (*values, 0)])
            connection.execute(f"delete from {table} where rowid = {len(values)}")
        found = chunks.cuts(connection, ("first", "other"), "id") or ["true"]
        for table, values in tables.items():
            parts = [connection.execute(f"select id from {table} where {chunk}").fetchall() for chunk in found]
            rows = [value for part in parts for (value,) in sorted(part, key=lambda row: (row[0] is None, row))]
            assert rows == sorted(values, key=lambda value: (value is None, value or 0))
        # No longer than asked for and the rows of one user more, of both together.
        both = drawn + others
        known = [value for value in both if value is not None]
        sizes = [
            sum(connection.execute(f"select count(*) from {table} where {chunk}").fetchone()[0] for table in tables)
            for chunk in found
        ]
        users = max((known.count(value) for value in set(known)), default=0)
        assert max(sizes[:-1], default=0) < most + users
        assert sizes[-1] < most + users + both.count(None) or len(both) <= most


@pytest.mark.parametrize("length", [1, 7, 40])
def test_chunked_tables_are_the_same_in_chunks(raw, tmp_path, monkeypatch, length):
    assert set(chunks.CHUNKED) <= set(queries.all_queries())
    made = run_build(raw, tmp_path / "once", preset="kraft")
    monkeypatch.setattr(chunks, "CHUNK_ROWS", length)
    run_build(raw, tmp_path / "chunks", preset="kraft", threads=2)
    for name in chunks.CHUNKED.keys() & made["built"].keys():
        once, again = (duckdb.sql(f"from '{Store(tmp_path / work).table(name)}'") for work in ("once", "chunks"))
        assert once.description == again.description
        assert again.fetchall() == once.fetchall()


def a_query(select):
    return Query("twice", "counts", select, inputs=("pairs",), columns={"id": "", "n": ""})


@pytest.fixture
def bench(connection, store, tmp_path, monkeypatch):
    """A builder that makes the table `twice` of 1,000 pairs in chunks of 100, as a function of its SELECT."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 100)
    monkeypatch.setattr(chunks, "CHUNKED", {"twice": ("id", "pairs")})
    duckdb.sql("select cast(range // 7 as integer) as id, range as n from range(1000)").write_parquet(
        str(tmp_path / "work" / "pairs.parquet")
    )
    pairs = Parquet(tmp_path / "work" / "pairs.parquet")
    builder = Builder(connection, store, {"pairs": pairs}, {}, Progress(-1), threads=2)

    def make(select):
        monkeypatch.setattr("kraft.engine.sql.builder.all_queries", lambda: {"twice": a_query(select)})
        return duckdb.sql(f"from '{builder.ensure('twice')}'").fetchall()

    return make


def test_each_chunk_is_sorted(bench):
    found = bench("select id, n from pairs order by id, n desc")
    assert found == sorted(((number // 7, number) for number in range(1000)), key=lambda row: (row[0], -row[1]))


def test_a_chunk_has_room_for_the_rows_that_are_joined(connection, store, tmp_path, monkeypatch):
    """Few pairs, many rows to join with them: the chunks are as long as both together allow."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 20_000)
    monkeypatch.setattr(chunks, "CHUNKED", {"twice": ("id", "pairs", "tastes")})
    work = tmp_path / "work"
    duckdb.sql("select cast(range as integer) as id, range as n from range(9_000)").write_parquet(
        f"{work}/pairs.parquet"
    )
    duckdb.sql("select cast(range // 100 as integer) as id, range as m from range(900_000)").write_parquet(
        f"{work}/tastes.parquet"
    )
    select = """
        select pairs.id, pairs.n, tastes.m from pairs
        left join tastes on pairs.id = tastes.id and 100 * pairs.n + 50 = tastes.m
        order by pairs.id"""
    query = replace(a_query(select), inputs=("pairs", "tastes"))
    monkeypatch.setattr("kraft.engine.sql.builder.all_queries", lambda: {"twice": query})
    raw = {name: Parquet(work / f"{name}.parquet") for name in query.inputs}
    builder = Builder(connection, store, raw, {}, Progress(-1))
    connection.execute("set memory_limit = '16MiB'")
    made = duckdb.sql(f"from '{builder.ensure('twice')}'").fetchall()
    assert made == [(number, number, 100 * number + 50) for number in range(9_000)]


def test_no_row_at_all(bench):
    assert bench("select id, n from pairs where n < 0 order by id, n") == []


def started_threads():
    """Those that Python started: a thread of DuckDB that waits for one of them is listed, too, as long as it lives."""
    return {each for each in threading.enumerate() if type(each) is threading.Thread}


def test_an_error_of_a_chunk_is_told_and_leaves_no_thread(bench):
    before = started_threads()
    with pytest.raises(QueryError, match=exactly("sql/counts/twice.sql: Invalid Input Error: not this one")):
        bench("select id, case when id = 100 then error('not this one') else n end as n from pairs order by id, n")
    assert started_threads() == before
