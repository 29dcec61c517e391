"""`kraft.engine.workspace.store`: whole or not at all, known or made again; the catalog answers from anywhere."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest
from matching import exactly
from stages import Asked, publish

from kraft.engine.process.worker import run
from kraft.engine.workspace.store import Fingerprint, Store, difference, write_whole
from kraft.errors import InputError, MachineError

FINGERPRINT = Fingerprint({"raw": "a:1:2"}, {"train_fraction": 0.8}, code="c0de")
FACTS = {"rows": 3, "purpose": "It's what it's for.", "columns": {"user_id": "the user's id; 1 at least"}}


def publish_table(store, name="things", fingerprint=FINGERPRINT, rows=3):
    with store.scratch() as folder:
        written = folder / f"{name}.parquet"
        pl.DataFrame({"user_id": range(rows)}).write_parquet(written)
        store.publish(name, written, fingerprint, FACTS)


def publish_model(store, text, fingerprint=FINGERPRINT):
    with store.scratch() as folder:
        made = folder / "als"
        made.mkdir()
        (made / "factors.txt").write_text(text, encoding="utf-8")
        store.publish("als", made, fingerprint, {})


def test_published_table_is_up_to_date(store):
    assert store.stale("things", FINGERPRINT) == "new"
    publish_table(store)
    assert store.stale("things", FINGERPRINT) == ""
    entry = store.entry("things")
    assert entry["digest"] == FINGERPRINT.digest
    assert entry["rows"] == 3
    assert pl.read_parquet(store.table("things")).height == 3
    assert list(store.tmp.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (Fingerprint({"raw": "a:1:3"}, {"train_fraction": 0.8}, "c0de"), "raw changed"),
        (Fingerprint({"raw": "a:1:2"}, {"train_fraction": 0.7}, "c0de"), "train_fraction 0.8 -> 0.7"),
        (Fingerprint({"raw": "a:1:2"}, {"train_fraction": 0.8}, "c0d3"), "its code changed"),
        (
            Fingerprint({"raw": "a:1:2"}, {"train_fraction": 0.8}, "c0de", version="9"),
            f"version {FINGERPRINT.version} -> 9",
        ),
        (Fingerprint({}, {"train_fraction": 0.8}, "c0de"), "its inputs changed"),
        (Fingerprint({"raw": "a:1:2", "more": "b"}, {"train_fraction": 0.8}, "c0de"), "more changed"),
    ],
)
def test_why_a_table_is_stale(store, changed, reason):
    publish_table(store)
    assert store.stale("things", changed) == reason
    assert changed.digest != FINGERPRINT.digest


def test_equal_fingerprints_have_one_digest():
    again = Fingerprint({"raw": "a:1:2"}, {"train_fraction": 0.8}, code="c0de")
    assert again.digest == FINGERPRINT.digest
    assert difference(FINGERPRINT.as_json(), again.as_json()) == ""


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"PAR1")])
def test_file_of_another_size_is_made_again(store, damage):
    publish_table(store)
    damage(store.table("things"))
    assert store.entry("things") is None
    assert store.stale("things", FINGERPRINT) == "its file is missing or changed"


def test_model_folder_is_replaced_as_a_whole(store):
    publish_model(store, "first")
    publish_model(store, "the second")
    assert (store.model("als") / "factors.txt").read_text(encoding="utf-8") == "the second"
    assert store.stale("als", FINGERPRINT) == ""
    (store.model("als") / "factors.txt").unlink()
    assert store.stale("als", FINGERPRINT) == "its file is missing or changed"


def test_death_before_the_manifest_leaves_a_table_that_is_made_again(store, monkeypatch):
    publish_table(store)

    def die(*_):
        raise KeyboardInterrupt("stopped")

    monkeypatch.setattr(Store, "_enter", die)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        publish_table(store, rows=9)
    assert store.stale("things", FINGERPRINT) == "its file is missing or changed"
    assert list(store.tmp.iterdir()) == []


def test_death_while_the_manifest_is_written_keeps_the_old_one(store, monkeypatch):
    publish_table(store)
    before = (store.folder / "manifest.json").read_bytes()
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        store._enter("other", store.table("things"), FINGERPRINT, {})  # noqa: SLF001 - the step that dies
    assert (store.folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "not valid JSON"),
        ("\x00\x00", "not valid JSON"),
        ("[]", "not a manifest of KRAFT's"),
        ('{"format": 3}', "not a manifest of KRAFT's"),
        ('{"format": 3, "entries": {"things": {}}}', "not a manifest of KRAFT's"),
        ('{"format": 3, "entries": {"things": 5}}', "not a manifest of KRAFT's"),
    ],
)
def test_damaged_manifest(store, content, problem):
    path = store.folder / "manifest.json"
    path.write_text(content, encoding="utf-8")
    message = f"{path}: {problem}\n       Delete it; the next job rebuilds what it needs."
    with pytest.raises(InputError, match=exactly(message)):
        store.stale("things", FINGERPRINT)


def test_manifest_of_another_format_counts_as_none(store):
    (store.folder / "manifest.json").write_text(
        '{"format": 2, "sha256": "", "entries": {"things": {"recipe": {}}}}', encoding="utf-8"
    )
    assert store.manifest() == {}
    publish_table(store)
    assert store.stale("things", FINGERPRINT) == ""


def test_work_folder_can_be_moved(store, tmp_path):
    publish_table(store)
    shutil.move(store.folder, tmp_path / "moved")
    assert Store(tmp_path / "moved").stale("things", FINGERPRINT) == ""


def test_work_is_a_file(tmp_path):
    (tmp_path / "work").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"^--work .*work: a file of this name is in the way$"):
        Store(tmp_path / "work")


def test_work_folder_cannot_be_made():
    with pytest.raises(MachineError, match=r"^--work /proc/kraft: .*\n       Choose a folder you may write to\.$"):
        Store(Path("/proc/kraft"))


# --- the catalog ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["work", 'it\'s my "work"', "工作 folder; drop"])
def test_catalog_answers_from_another_directory(tmp_path, name):
    store = Store(tmp_path / name)
    publish_table(store)
    publish_table(store, "lost")
    store.table("lost").unlink()
    publish_model(store, "no table")
    catalog = store.commit()

    code = (
        "import duckdb, json, sys; connection = duckdb.connect(sys.argv[1], read_only=True)\n"
        "ask = lambda question: connection.execute(question).fetchall()\n"
        "print(json.dumps([ask('select count(*) from things'),"
        " ask('select view_name, comment from duckdb_views() where not internal'),"
        " ask(\"select column_name, comment from duckdb_columns() where table_name = 'things'\")]))"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    asked = subprocess.run(
        [sys.executable, "-c", code, str(catalog)], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert json.loads(asked.stdout) == [
        [[3]],
        [["things", FACTS["purpose"]]],
        [["user_id", FACTS["columns"]["user_id"]]],
    ]


def test_catalog_is_replaced(store):
    publish_table(store)
    store.commit()
    publish_table(store, "more")
    with duckdb.connect(store.commit(), read_only=True) as connection:
        assert connection.execute("select view_name from duckdb_views() where not internal").fetchall() == [
            ("more",),
            ("things",),
        ]
    assert list(store.tmp.iterdir()) == []


# --- a user's own output ----------------------------------------------------------------------


def test_write_whole(tmp_path):
    path = tmp_path / "new" / "out.csv"
    write_whole(path, lambda draft: draft.write_text("a", encoding="utf-8"))
    assert path.read_text(encoding="utf-8") == "a"
    assert list(path.parent.iterdir()) == [path]


def test_write_whole_keeps_the_old_file_where_writing_fails(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old", encoding="utf-8")

    def fail(draft):
        draft.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    message = f"{path}: No space left on device\n       Nothing was written."
    with pytest.raises(MachineError, match=exactly(message)):
        write_whole(path, fail)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_whole_names_the_file_where_a_library_says_no_more_than_an_errno(tmp_path):
    def fail(_):
        raise OSError("sink: No space left on device (os error 28)")

    with pytest.raises(MachineError, match=r"out\.csv: .*No space left on device"):
        write_whole(tmp_path / "out.csv", fail)


def test_write_whole_over_a_folder(tmp_path):
    with pytest.raises(InputError, match="a folder of this name is in the way"):
        write_whole(tmp_path, lambda draft: draft.touch())


def test_write_whole_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        InputError,
        match=exactly(
            f"{tmp_path / 'file' / 'out.csv'}: {tmp_path / 'file'} is not a folder\n       Give another path."
        ),
    ):
        write_whole(tmp_path / "file" / "out.csv", lambda draft: draft.touch())


def test_two_processes_may_publish_at_once(store, monkeypatch):
    helpers = str(Path(__file__).resolve().parents[1] / "helpers")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (helpers, os.environ.get("PYTHONPATH")))))
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(run, publish, Asked(text=prefix, path=store.folder)) for prefix in "ab"]
    for one in done:
        one.result()
    assert set(store.manifest()) == {f"{prefix}{number}" for prefix in "ab" for number in range(100)}


# --- trust ------------------------------------------------------------------------------------


def test_model_is_used_while_its_bytes_are_those_that_were_published(store):
    publish_model(store, "first")
    assert store.verified("als") == store.model("als")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda folder: (folder / "factors.txt").write_text("fIrst", encoding="utf-8"),
        lambda folder: (folder / "factors.txt").rename(folder / "other.txt"),
        lambda folder: (folder / "more.txt").touch(),
    ],
    ids=["other bytes", "other name", "one more file"],
)
def test_model_that_somebody_changed_is_refused(store, tamper):
    publish_model(store, "first")
    tamper(store.model("als"))
    # The size is the same: the next job would take it for its own.
    assert store.stale("als", FINGERPRINT) == ""
    message = (
        f"{store.model('als')}: its hash is not the one in the manifest: KRAFT did not write these files\n"
        "       Delete the folder; the next job makes it again."
    )
    with pytest.raises(InputError, match=exactly(message)):
        store.verified("als")
    shutil.rmtree(store.model("als"))
    assert store.stale("als", FINGERPRINT) == "its file is missing or changed"


def test_model_that_is_not_in_the_manifest_is_refused(store):
    publish_model(store, "first")
    shutil.copytree(store.model("als"), store.model("foreign"))
    with pytest.raises(InputError, match=r"foreign: there is no such model\n       Train first"):
        store.verified("foreign")


def test_table_that_was_written_over_with_as_many_bytes_is_made_again(store):
    publish_table(store)
    file = store.table("things")
    file.write_bytes(file.read_bytes()[::-1])
    assert store.stale("things", FINGERPRINT) == "its file is missing or changed"


def test_manifest_that_was_edited_is_refused(store):
    publish_table(store)
    path = store.folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"rows": 3', '"rows": 4'), encoding="utf-8")
    message = (
        f"{path}: its hash is not that of its entries: they were changed by hand\n"
        "       Delete it; the next job rebuilds what it needs."
    )
    with pytest.raises(InputError, match=exactly(message)):
        Store(store.folder).manifest()


@pytest.mark.parametrize("name", ["x as select 1; drop view y; --", "../../etc/passwd", ""])
def test_manifest_with_a_name_that_is_none_is_refused(store, name):
    publish_table(store)
    path = store.folder / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"things"', json.dumps(name)), encoding="utf-8")
    with pytest.raises(InputError, match="not a manifest of KRAFT's"):
        Store(store.folder).manifest()
