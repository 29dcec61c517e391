"""`kraft.engine.workspace.snapshots`: readers see one whole state, old or new, and keep the one that they opened."""

import os
import subprocess
import sys

import duckdb
import polars as pl
import pytest
from small_log import log_rows, log_text, run_build

from kraft.engine.workspace.store import Fingerprint, Store

READER = (
    "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True)\n"
    "for table in sys.stdin: print(*connection.execute(f'from {table}').fetchall()[0], flush=True)"
)


def put(store, name, value, inputs=()):
    """A table of one row, made of the tables ``inputs`` as they are now."""
    digests = {one: store.manifest()[one]["digest"] for one in inputs}
    fingerprint = Fingerprint(digests, {"value": value}, code="1")
    with store.scratch() as folder:
        written = folder / f"{name}.parquet"
        pl.DataFrame({"value": [value]}).write_parquet(written)
        store.publish(name, written, fingerprint, {"rows": 1, "purpose": "p", "columns": {"value": "v"}})


def shown(store):
    """What a reader of the catalog finds."""
    with duckdb.connect(store.folder / "kraft.duckdb", read_only=True) as connection:
        names = [
            name for (name,) in connection.execute("select view_name from duckdb_views() where not internal").fetchall()
        ]
        return {name: connection.execute(f"from {name}").fetchone()[0] for name in names}


@pytest.fixture
def reader(store):
    """A process that opens the catalog on the first question, and answers one after the other: ask(table) -> text."""
    processes = []

    def open_reader():
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(store.folder / "kraft.duckdb")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)

        def ask(table):
            print(table, file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        return ask

    yield open_reader
    for process in processes:
        process.communicate()


def test_nothing_is_shown_before_the_job_ends(store):
    put(store, "a", 1)
    assert list((store.folder / "tables").iterdir()) == []
    assert not (store.folder / "kraft.duckdb").exists()
    store.commit()
    assert [path.name for path in (store.folder / "tables").iterdir()] == ["a.parquet"]
    assert store.published_path("a").samefile(store.table("a"))


def test_old_state_as_a_whole_until_the_new_one_is(store):
    put(store, "a", 1)
    put(store, "b", 1, ["a"])
    store.commit()
    put(store, "a", 2)
    assert shown(store) == {"a": 1, "b": 1}
    assert pl.read_parquet(store.published_path("a"))["value"].to_list() == [1]
    put(store, "b", 2, ["a"])
    assert shown(store) == {"a": 1, "b": 1}
    store.commit()
    assert shown(store) == {"a": 2, "b": 2}
    assert pl.read_parquet(store.published_path("a"))["value"].to_list() == [2]


def test_open_reader_keeps_its_state_whatever_jobs_do(store, reader):
    put(store, "a", 1)
    put(store, "b", 1, ["a"])
    store.commit()
    ask = reader()
    assert ask("a") == "1"
    for value in (2, 3):
        store.cleanup()
        put(store, "a", value)
        put(store, "b", value, ["a"])
        store.commit()
    store.cleanup()
    # A table that it asks for now is of the state that it opened, too.
    assert (ask("b"), ask("a")) == ("1", "1")
    assert reader()("b") == "3"
    states = {path.name for path in (store.folder / "states").iterdir()}
    assert states == {"000001", "000003"}


def test_state_that_nobody_reads_is_removed_by_the_next_job(store):
    for value in (1, 2):
        put(store, "a", value)
        store.commit()
    assert len(list((store.folder / "states").iterdir())) == 3
    store.cleanup()
    assert [path.name for path in (store.folder / "states").iterdir()] == ["000002"]
    assert shown(store) == {"a": 2}


def test_table_of_older_inputs_is_left_out(store):
    put(store, "a", 1)
    put(store, "b", 1, ["a"])
    put(store, "c", 1, ["b"])
    put(store, "apart", 1)
    put(store, "a", 2)
    store.commit()
    assert shown(store) == {"a": 2, "apart": 1}
    put(store, "b", 2, ["a"])
    store.commit()
    # Of b as it was: still left out.
    assert shown(store) == {"a": 2, "apart": 1, "b": 2}


def test_scores_of_an_old_model_are_left_out(store):
    put(store, "a", 1)
    with store.scratch() as folder:
        (folder / "m").mkdir()
        (folder / "m" / "model.txt").write_text("m", encoding="utf-8")
        store.publish("m", folder / "m", Fingerprint({"a": store.manifest()["a"]["digest"]}, {}, "1"), {})
    put(store, "scores", 1, ["m"])
    store.commit()
    assert set(shown(store)) == {"a", "scores"}
    put(store, "a", 2)
    store.commit()
    assert set(shown(store)) == {"a"}


def test_damaged_table_is_left_out_with_what_was_made_of_it(store):
    put(store, "a", 1)
    put(store, "b", 1, ["a"])
    os.utime(store.table("a"), ns=(1, 1))
    store.commit()
    assert shown(store) == {}


def test_inner_store_is_part_of_the_state(store):
    fit = store.inner("fit")
    put(store, "a", 1)
    put(fit, "a", 7)
    store.commit()
    assert shown(store)["a"] in {1, 7}
    assert pl.read_parquet(fit.published_path("a"))["value"].to_list() == [7]
    put(fit, "a", 8)
    assert pl.read_parquet(store.folder / "fit" / "tables" / "a.parquet")["value"].to_list() == [7]
    store.commit()
    with duckdb.connect(store.folder / "kraft.duckdb", read_only=True) as connection:
        assert connection.execute("from fit.a").fetchall() == [(8,)]


def test_file_system_without_hard_links(store, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    put(store, "a", 1)
    store.commit()
    assert shown(store) == {"a": 1}
    assert not store.published_path("a").samefile(store.table("a"))


def test_death_before_the_step_shows_the_old_state(store, monkeypatch):
    put(store, "a", 1)
    store.commit()
    put(store, "a", 2)

    def die(*_):
        raise KeyboardInterrupt("stopped")

    monkeypatch.setattr("kraft.engine.workspace.snapshots._point", die)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        store.commit()
    monkeypatch.undo()
    assert shown(store) == {"a": 1}
    store.cleanup()
    store.commit()
    assert shown(store) == {"a": 2}


def test_failed_build_leaves_what_readers_see(raw, tmp_path):
    work = tmp_path / "work"
    run_build(raw, work)
    before = (work / "current").readlink()
    (raw / "small_matrix.csv").write_text(log_text(log_rows()).replace(",10000,", ",0,", 2), encoding="utf-8")
    (raw / "item_categories.csv").write_text("video_id,feat\n10,[1]\n", encoding="utf-8")
    with pytest.raises(Exception, match="video_duration must be more than 0 ms"):
        run_build(raw, work)
    assert (work / "current").readlink() == before
    assert pl.read_parquet(work / "tables" / "video_metadata.parquet").height == 7
    # The draft has moved on.
    assert pl.read_parquet(Store(work).table("video_metadata")).height == 1
