"""`kraft.engine.sql.builder`: only what is out of date is built, and nothing that fails a check is published."""

import dataclasses
import json
import os

import duckdb
import pytest
from matching import exactly
from small_log import Row, log_rows, log_text, run_build, write_raw
from sql_schemas import schema_of

from kraft.engine.process.progress import Progress
from kraft.engine.sql import builder as builder_module
from kraft.engine.sql import queries
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.queries import all_queries
from kraft.engine.workspace import store as store_module
from kraft.engine.workspace.store import Store
from kraft.errors import EngineError, InputError, MachineError, QueryError
from kraft.logs.contracts import resolve
from kraft.settings import Settings
from kraft.stages.preset import DOCUMENTED

DOWN_FROM_TRAIN = {
    "interactions_train", "interactions_test", "user_index", "item_index", "user_counts", "item_counts",
    "test_rows", "test_positives", "sample_submission", "ranker_users", "ranker_items", "ranker_train",
    "ranker_test",
}  # fmt: skip


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


@pytest.fixture
def bench(connection, store, raw):
    """A builder over the small log."""
    inputs, _ = resolve(raw, "small")
    return Builder(connection, store, inputs, Settings().model_dump(), Progress(-1))


def change_query(monkeypatch, name, **changes):
    """Let the file of ``name`` say something else, until the test ends."""
    changed = {**all_queries(), name: dataclasses.replace(all_queries()[name], **changes)}
    for module in (queries, builder_module):
        monkeypatch.setattr(module, "all_queries", lambda: changed)


def files_of(work):
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in (work / "tables").iterdir()}


# --- what is rebuilt, and why -----------------------------------------------------------------


def test_second_build_reuses_everything(raw, work):
    first = run_build(raw, work)
    assert {facts["reason"] for facts in first["built"].values()} == {"new"}
    before = files_of(work)
    second = run_build(raw, work)
    assert second["built"] == {}
    assert sorted(second["reused"]) == sorted(first["built"])
    assert (second["split"], second["interactions"]) == (first["split"], first["interactions"])
    assert files_of(work) == before


def test_force_rebuilds_everything(raw, work):
    first = run_build(raw, work)
    again = run_build(raw, work, force=True)
    assert set(again["built"]) == set(first["built"])
    assert {facts["reason"] for facts in again["built"].values()} == {"--force"}


def test_changed_side_table_rebuilds_what_reads_it(raw, work):
    run_build(raw, work)
    (raw / "item_categories.csv").write_text("video_id,feat\n10,[1]\n", encoding="utf-8")
    built = run_build(raw, work)["built"]
    assert {name: facts["reason"] for name, facts in built.items()} == {
        "video_metadata": "raw_item_categories changed",
        "ranker_items": "video_metadata changed",
        "ranker_train": "ranker_items changed",
        "ranker_test": "ranker_items changed",
    }


def test_touched_log_is_read_again(raw, work):
    run_build(raw, work)
    os.utime(raw / "small_matrix.csv", ns=(0, 1))
    assert run_build(raw, work)["built"]["interactions"]["reason"] == "raw_interactions changed"


def test_changed_setting_rebuilds_what_depends_on_it(raw, work):
    run_build(raw, work)
    built = run_build(raw, work, train_fraction=0.5)["built"]
    assert built["split"]["reason"] == "train_fraction 0.8 -> 0.5"
    assert set(built) == DOWN_FROM_TRAIN | {"split"}


def test_setting_that_changes_no_number_rebuilds_nothing(raw, work):
    run_build(raw, work)
    assert run_build(raw, work, threads=2, memory_limit="2GiB", rounds=5)["built"] == {}


def test_changed_sql_text_rebuilds_it_and_what_reads_it(raw, work, monkeypatch):
    run_build(raw, work)
    change_query(monkeypatch, "item_index", text=all_queries()["item_index"].text + "\n-- more\n")
    built = run_build(raw, work)["built"]
    assert built["item_index"]["reason"] == "its code changed"
    assert set(built) == {"item_index", "ranker_items", "ranker_train", "ranker_test"}


def test_changed_check_rebuilds_the_table_it_guards(raw, work, monkeypatch):
    run_build(raw, work)
    change_query(monkeypatch, "users_once", text=all_queries()["users_once"].text + "\n-- more\n")
    built = run_build(raw, work)["built"]
    assert built["user_features"]["reason"] == "its code changed"
    assert set(built) == {"user_features", "ranker_users", "ranker_train", "ranker_test"}


def test_new_version_rebuilds_everything(raw, work, monkeypatch):
    first = run_build(raw, work)
    fingerprint = store_module.Fingerprint
    monkeypatch.setattr(builder_module, "Fingerprint", lambda **parts: fingerprint(**parts, version="99"))
    again = run_build(raw, work)["built"]
    assert set(again) == set(first["built"])
    assert again["interactions"]["reason"].endswith("-> 99")


def test_manifest_says_what_was_made(raw, work):
    run_build(raw, work)
    entry = json.loads((work / "manifest.json").read_text(encoding="utf-8"))["entries"]["interactions"]
    assert entry["rows"] == 60
    assert entry["seconds"] >= 0
    assert entry["peak_mib"] > 10
    assert entry["fingerprint"]["settings"] == {"positive_threshold": 1.0}
    assert "small_matrix.csv" in entry["fingerprint"]["inputs"]["raw_interactions"]


# --- what is not published --------------------------------------------------------------------


def test_broken_log_publishes_nothing_and_keeps_the_old_tables(raw, work):
    run_build(raw, work)
    before, manifest = files_of(work), (work / "manifest.json").read_bytes()
    log = raw / "small_matrix.csv"
    log.write_text(log_text(log_rows()).replace(",10000,", ",0,", 2), encoding="utf-8")
    message = (
        f"{log}: video_duration must be more than 0 ms (first: user_id 0, video_id 10, play_duration 12000, "
        "video_duration 0, timestamp 1593878903.5, watch_ratio 1.2; user_id 1, video_id 11, play_duration 5000, "
        "video_duration 0, timestamp 1593879503.5, watch_ratio 0.5)\n"
        "       Correct these rows, or use --on-bad-rows quarantine. "
        "Nothing was written."
    )
    with pytest.raises(InputError, match=exactly(message)):
        run_build(raw, work)
    assert files_of(work) == before
    assert (work / "manifest.json").read_bytes() == manifest
    assert list((work / "tmp").iterdir()) == []


BROKEN_LOGS = {
    "negative id": (Row(-1, 10), "user_id must be an integer from 0 to 2,147,483,647"),
    "negative duration": (Row(1, 10, play_duration=-1), "play_duration must be 0 ms or more"),
    "nan ratio": (Row(1, 10, watch_ratio=float("nan")), "watch_ratio must be a number from 0 to 1e9"),
    "infinite ratio": (Row(1, 10, watch_ratio=float("inf")), "watch_ratio must be a number from 0 to 1e9"),
    "nan time": (Row(1, 10, timestamp=float("nan")), "timestamp must be unix seconds from 1970 to 2100"),
    "time in ms": (
        Row(1, 10, timestamp=1593878903500.0),
        "timestamp must be unix seconds from 1970 to 2100, and looks like milliseconds",
    ),
    "future": (Row(1, 10, timestamp=4102444800.0), "timestamp must be unix seconds from 1970 to 2100"),
    "percent": (Row(1, 10, watch_ratio=50), "watch_ratio must be play_duration / video_duration"),
}


@pytest.mark.parametrize(("row", "rule"), BROKEN_LOGS.values(), ids=BROKEN_LOGS)
def test_log_with_a_value_that_cannot_be(tmp_path, work, row, rule):
    raw = write_raw(tmp_path / "raw", [*log_rows(), row])
    with pytest.raises(InputError, match=rf"small_matrix\.csv: {rule} \(first: user_id "):
        run_build(raw, work, tables=["interactions"])
    assert list((work / "tables").iterdir()) == []
    assert not (work / "manifest.json").exists()


def test_user_twice(tmp_path, work):
    raw = write_raw(tmp_path / "raw", log_rows(), users=[0, 1, 2, 1])
    with pytest.raises(
        InputError, match=r"user_features\.csv: user_id must be .*, once a user \(first: user_id 1, found 2\)"
    ):
        run_build(raw, work)


def test_empty_log(tmp_path, work):
    raw = write_raw(tmp_path / "raw", [])
    with pytest.raises(
        InputError, match=r"small_matrix\.csv: the file must hold at least 5 interactions \(first: found 0\)"
    ):
        run_build(raw, work)


@pytest.mark.parametrize("settings", [{"train_fraction": 0.001}, {"null_timestamps": "drop"}])
def test_train_period_without_a_row(tmp_path, work, settings):
    raw = write_raw(tmp_path / "raw", [row._replace(timestamp=None) for row in log_rows()])
    message = r"table split: the train period must hold at least 1 interaction .*\n       Give a longer log, a greater"
    with pytest.raises(InputError, match=message):
        run_build(raw, work, **settings)


# --- the order of the rows --------------------------------------------------------------------


def test_sparse_log_keeps_its_order(tmp_path, work):
    """Fewer interactions than users and videos: DuckDB would rather read the other side of the join first."""
    rows = [Row(number, 10 + number * 7 % 50, timestamp=1e9 - number) for number in range(40)]
    raw = write_raw(tmp_path / "raw", rows, range(40))
    run_build(raw, work)
    train = duckdb.sql(f"select user_id from '{work / 'tables/ranker_train.parquet'}'").fetchall()
    assert train == [(number,) for number in range(39, 7, -1)]


# --- rows that are added up -------------------------------------------------------------------

ONCE = tuple(Row(0, video) for video in range(10, 15))


@pytest.mark.parametrize(
    ("more", "copies", "counts"),
    [
        ((), [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        ((ONCE[2], ONCE[2]), [1, 1, 3, 1, 1], [1, 1, 1, 1, 1]),
        # No time, no day: missing values are alike too.
        ((Row(1, 10, date=None, timestamp=None),) * 2, [1, 1, 1, 1, 1, 2], [1, 1, 1, 1, 1, 1]),
        # Neighbours of the same pair that differ further down.
        ((Row(0, 14, date=20200704), Row(0, 14, date=20200706)), [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 3]),
    ],
    ids=["none", "exact copies", "without a time", "pairs"],
)
def test_alike_rows_are_added_up(tmp_path, connection, store, more, copies, counts):
    raw = write_raw(tmp_path / "many", ONCE + more, range(2))
    values = Settings(positive_threshold=0.5).model_dump() | {"train_fraction": 1.0}
    many = Builder(connection, store, resolve(raw, "small")[0], values, Progress(-1))
    many.ensure("user_item_counts")
    for table, column, expected in (
        ("interactions", "copies", copies),
        ("user_item_counts", "positive_count", counts),
    ):
        found = duckdb.sql(f"select {column} from '{store.table(table)}'").fetchall()
        assert [value for (value,) in found] == expected
        assert many.built[table]["rows"] == len(expected)
        # What the file means as one SELECT.
        query = all_queries()[table]
        whole = connection.execute(query.text, {name: values[name] for name in query.parameters}).fetchall()
        assert duckdb.sql(f"from '{store.table(table)}'").fetchall() == whole
        schema = duckdb.sql(f"describe from '{store.table(table)}'").fetchall()
        assert [(row[0], row[1]) for row in schema] == list(schema_of(table).items())


# --- defects and the machine ------------------------------------------------------------------


def test_unknown_table(bench):
    with pytest.raises(QueryError, match=r"no file of sql/ and no raw file is called nothing$"):
        bench.ensure("nothing")


def test_setting_that_is_not_there(bench):
    bench.settings = {}
    with pytest.raises(QueryError, match=r"sql/staging/interactions\.sql: no setting is called positive_threshold"):
        bench.ensure("interactions")


def test_sql_that_does_not_run(bench, monkeypatch):
    change_query(monkeypatch, "split", text="select nonsense from interactions", parameters=())
    with pytest.raises(QueryError, match=r"sql/split/split\.sql: Binder Error.*nonsense"):
        bench.ensure("split")
    assert not bench.store.table("split").exists()


def test_no_memory(bench):
    bench.connection.execute("set memory_limit = '1MB'")
    with pytest.raises(MachineError, match=r"^table interactions: Out of Memory.*\n       Raise --memory-limit"):
        bench.ensure("interactions")


@pytest.mark.parametrize("threads", [1, 3])
def test_table_that_has_no_room_for_all_threads_is_made_on_one(bench, monkeypatch, threads):
    tried = []
    write = Builder._write  # noqa: SLF001 - where the memory runs out

    def narrow(builder, select, parameters, target):
        tried.append(builder.connection.execute("select current_setting('threads')").fetchone()[0])
        if target.stem == "user_counts" and (tried[-1] > 1 or threads == 1):
            target.write_bytes(b"a part of it")
            raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")
        return write(builder, select, parameters, target)

    monkeypatch.setattr(Builder, "_write", narrow)
    bench.threads = threads
    if threads == 1:
        with pytest.raises(MachineError, match="table user_counts: Out of Memory Error: could not allocate block"):
            bench.ensure("user_counts")
    else:
        bench.ensure("user_counts")
        assert tried[-2:] == [3, 1]
        assert bench.rows_of("user_counts") == 6


def test_a_failure_of_duckdb_itself_is_one_line_and_no_stack_trace(bench, monkeypatch):
    def fail(*_):
        raise duckdb.InternalException(
            "INTERNAL Error: Attempted to access index 3\n\nStack Trace:\n\nframe\nSee the docs"
        )

    bench.ensure("interactions_train")
    monkeypatch.setattr(Builder, "_write", fail)
    message = (
        "table user_counts: DuckDB failed by itself: INTERNAL Error: Attempted to access index 3\n"
        "       Run the job again: it goes on from the tables that are finished. If it fails again, report this line."
    )
    with pytest.raises(EngineError, match=exactly(message)):
        bench.ensure("user_counts")


@pytest.mark.parametrize("failures", [1, 2])
def test_where_duckdb_fails_by_itself_a_new_session_is_asked_once(raw, work, monkeypatch, capsys, failures):
    write, sessions = Builder._write, []  # noqa: SLF001 - as above

    def write_or_fail(builder, select, parameters, target):
        if target.stem == "user_counts":
            sessions.append(builder.connection)
            if len(sessions) <= failures:
                raise duckdb.InternalException("INTERNAL Error: a pointer that is not set\n\nStack Trace:\n")
        return write(builder, select, parameters, target)

    monkeypatch.setattr(Builder, "_write", write_or_fail)
    if failures == 1:
        done = run_build(raw, work, quiet=False)
        assert {"interactions", "interactions_train"} <= set(done["reused"])
        assert set(done["built"]) == set(DOCUMENTED.tables) - set(done["reused"])
    else:
        with pytest.raises(EngineError, match="table user_counts: DuckDB failed by itself"):
            run_build(raw, work, quiet=False)
    assert len(set(map(id, sessions))) == len(sessions) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "once more" in line]
    problem = "table user_counts: DuckDB failed by itself: INTERNAL Error: a pointer that is not set"
    assert told == [f"{problem}: once more, in a new session"]


def test_rows_of_tables_and_files(bench):
    bench.ensure("user_features")
    assert bench.rows_of("user_features") == 6
    assert bench.rows_of("raw_interactions") == 60


def test_table_of_another_store(tmp_path, connection, store, bench):
    bench.ensure("interactions_train")
    other = Store(tmp_path / "other")
    tables = {"interactions_train": builder_module.Parquet(store.table("interactions_train"))}
    elsewhere = Builder(connection, other, tables, {}, Progress(-1))
    elsewhere.ensure("user_index")
    assert elsewhere.rows_of("user_index") == 6
    assert list(other.manifest()) == ["user_index"]


def test_broken_optional_file_is_told_before_anything_is_built(raw, work):
    (raw / "social_network.csv").write_text("user_id,friend_list\n1,[2]\nx,[3]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"social_network\.csv, line 3, column user_id: 'x' is not an integer"):
        run_build(raw, work, preset="kraft")
    assert list((work / "tables").iterdir()) == []
