"""How work is cut for the workers, and what they give back is put together."""

import doctest
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kraft.errors import InputError, MachineError
from kraft.settings import Settings
from kraft.spark import als, candidates, frames, ranker
from kraft.spark import tables as spark_tables
from kraft.spark.lists import user_bounds
from kraft.spark.outputs import export
from kraft.spark.parts import write_table
from kraft.spark.remote import listed
from kraft.spark.tables import resolve
from kraft.stages.build_tables import build_tables
from kraft.stages.table_records import BuildTables


@pytest.mark.parametrize("module", [als, candidates, frames, ranker])
def test_examples_hold(module):
    assert doctest.testmod(module).failed == 0


@given(st.lists(st.integers(0, 6), max_size=60), st.integers(1, 20))
def test_blocks_hold_whole_users_and_lose_no_row(tmp_path_factory, users, rows):
    users = np.sort(np.array(users, dtype=np.int32))
    table = tmp_path_factory.mktemp("bounds") / "table.parquet"
    pq.write_table(pa.table({"user_id": users}), table, row_group_size=7)
    bounds = user_bounds(table, rows)
    assert bounds[0] == 0
    assert bounds[-1] == len(users)
    assert (np.diff(bounds) > 0).all()
    blocks = [set(users[first:last]) for first, last in pairwise(bounds)]
    assert sum(map(len, blocks)) == len(set(users))
    # A block ends where the next user begins.
    assert all(last - first <= rows + np.bincount(users).max() for first, last in pairwise(bounds))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=40), st.integers(1, 5), st.booleans())
def test_ranks_share_the_rows_out(drawn, ranks, whole_users):
    drawn = sorted(drawn)
    users = np.array([user for user, _ in drawn], dtype=np.int32)
    rows = np.flatnonzero([taken for _, taken in drawn]).astype(np.int32)
    parts = [ranker.share(rows, users if whole_users else None, rank, ranks) for rank in range(ranks)]
    assert np.concatenate(parts).tolist() == rows.tolist()
    if whole_users:
        assert sum(len(set(users[part])) for part in parts) == len(set(users[rows]))


def test_parts_become_one_file_in_the_order_of_the_partitions(spark, tmp_path):
    frame = spark.range(0, 1000, 1, 7).selectExpr("id", "cast(id as string) as text")
    assert write_table(frame, tmp_path / "table.parquet") == 1000
    found = pq.read_table(tmp_path / "table.parquet")
    assert found["id"].to_pylist() == list(range(1000))
    assert found["text"].to_pylist() == [str(number) for number in range(1000)]
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_folder_that_the_driver_does_not_see(tmp_path):
    class Elsewhere:
        def __init__(self):
            self.write = self

        def option(self, *_):
            return self

        def parquet(self, _):
            """Written on another machine."""

    with pytest.raises(MachineError, match="the workers wrote nothing that the driver can see"):
        write_table(Elsewhere(), tmp_path / "table.parquet")


def test_raw_files_at_a_url(spark, connection, raw, tmp_path):
    url = f"file://{raw}"
    inputs, extras = resolve(spark, tmp_path / "mirror", url, "small")
    log = inputs["raw_interactions"]
    (tmp_path / "scratch").mkdir()
    rows = frames.frame_of(spark, log, connection, tmp_path / "scratch")
    expected, _ = resolve(spark, tmp_path / "mirror", raw, "small")
    expected["raw_interactions"].register(connection, "log")
    assert rows.count() == connection.view("log").aggregate("count(*)").fetchall()[0][0]
    assert inputs["raw_user_features"].path.parent == tmp_path / "mirror"
    assert set(extras) == {name for name in extras if name.startswith("raw_")}
    copied = {path.name for path in (tmp_path / "mirror").iterdir()}
    assert "user_features.csv" in copied
    assert "small_matrix.csv" not in copied


def test_log_at_a_url_that_is_bad(spark, raw, tmp_path):
    with pytest.raises(InputError, match=r"nothing\.csv: no such file"):
        resolve(spark, tmp_path / "mirror", raw, f"file://{raw}/nothing.csv")
    with pytest.raises(InputError, match="column video_id is missing"):
        resolve(spark, tmp_path / "mirror", raw, f"file://{raw}/user_features.csv")


def test_url_of_a_kind_that_is_not_known(spark):
    with pytest.raises(InputError, match="Spark knows no file system of that kind"):
        listed(spark, "nosuch://host/path")


def test_output_at_a_url_is_a_folder_of_parts_whole_or_not_at_all(spark, tmp_path):
    table, out = tmp_path / "table.parquet", tmp_path / "out"
    for rows in (3, 5):
        pq.write_table(pa.table({"score": np.arange(rows) / 7}), table)
        export(spark, table, f"file://{out}")
        assert {path.name[:5] for path in out.iterdir() if not path.name.startswith(".")} == {"part-"}
        assert pq.read_table(out)["score"].to_pylist() == [number / 7 for number in range(rows)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "table.parquet"]


def test_output_never_takes_the_place_of_something_else(spark, tmp_path):
    pq.write_table(pa.table({"score": [0.5]}), tmp_path / "table.parquet")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="something else than Parquet parts is there"):
        export(spark, tmp_path / "table.parquet", f"file://{tmp_path}/out/")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_bad_rows_are_quarantined_as_on_the_single_machine(spark, raw, tmp_path):
    log = raw / "small_matrix.csv"
    log.write_text(log.read_text().replace(",10000,", ",0,", 1))
    found = []
    for engine, build in (("duckdb", build_tables), ("spark", spark_tables.build)):
        asked = Settings(
            raw=raw, work=tmp_path / engine, on_bad_rows="quarantine", quiet=True, engine=engine, master="local[2]"
        )
        told = build(BuildTables(settings=asked, tables=["split"], commit=False))
        found.append((told.rejected, told.interactions, told.split))
    assert spark.sparkContext.master == "local[2]"
    assert found[0] == found[1]
    assert {file: one["quarantined"] for file, one in found[0][0].items()} == {"small_matrix.csv": 1}
