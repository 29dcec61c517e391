"""`kraft.engine.outputs` and `jobs._paths`: what no job writes to, and that no output of a job escapes the check."""

import os
import socket
import sys

import pytest

from jobs import (
    benchmark,
    build_features,
    evaluate,
    explain,
    explore,
    fetch_data,
    recommend,
    score,
    synthesize,
    train,
)
from jobs._command import read_options, run
from jobs._paths import check_paths
from kraft.engine.outputs import OWN, Output, check_outputs, table_format
from kraft.engine.paths import check_name
from kraft.engine.workspace.store import Store, write_whole
from kraft.errors import InputError
from kraft.logs import contracts
from kraft.logs.files import STEMS
from kraft.settings import OutputFile, Settings

JOBS = (benchmark, build_features, evaluate, explain, explore, fetch_data, recommend, score, synthesize, train)
OUTPUTS = {
    "score": (score, "--out"),
    "score pairs": (score, "--pairs", "pairs.csv", "--out"),
    "recommend": (recommend, "--out"),
    "recommend metrics": (recommend, "--out", "lists.csv", "--evaluate", "--json-out"),
    "evaluate metrics": (evaluate, "--json-out"),
    "evaluate page": (evaluate, "--html"),
    "explain": (explain, "--user", "1", "--top", "1", "--json-out"),
    "explore": (explore, "--out"),
    "benchmark": (benchmark, "limit", "--out"),
}
"""Every output option that names a file, with what its job has to be told besides."""


@pytest.fixture
def place(raw, monkeypatch):
    """A folder with `raw`, files of a user's, and a work folder that was worked in; the current one."""
    monkeypatch.chdir(raw.parent)
    Store(raw.parent / "work")
    for name in ("pairs.csv", "users.csv", "log.csv", "scores.csv", "kraft.toml"):
        (raw.parent / name).write_text("", encoding="utf-8")
    return raw.parent


def check(job, *words):
    check_paths(read_options(job.Options, [str(word) for word in words]))


def refused(what, job, *words):
    with pytest.raises(InputError) as raised:
        check(job, *words)
    assert what in raised.value.problem
    assert "\n" not in raised.value.problem
    assert raised.value.remedy


# --- every output of every job ------------------------------------------------------------------


@pytest.mark.parametrize(("job", "words"), [(job, words) for job, *words in OUTPUTS.values()], ids=OUTPUTS)
class TestEveryOutput:
    def test_plain_new_or_old_file_is_fine(self, place, job, words):
        (place / "old.csv").write_text("x", encoding="utf-8")
        for name in ("new.csv", "old.csv", "new/deep/x.csv", "work/mine.csv", "work/pages/mine.parquet"):
            check(job, *words, name)

    @pytest.mark.parametrize(
        "name",
        [
            "manifest.json",
            "kraft.duckdb",
            "kraft.duckdb.wal",
            "lock",
            "tables/interactions.parquet",
            "draft/new.csv",
            "states/000000/x.csv",
            "current/x.csv",
            "models/als/x.csv",
            "fit/manifest.json",
            "observed/x.csv",
            "tmp/x.csv",
            "synthetic/small_matrix.csv",
            "raw/x.csv",
            "../work/LOCK",
        ],
    )
    def test_own_files_of_a_work_folder(self, place, job, words, name):
        refused("is KRAFT's own", job, *words, f"work/{name}")
        # Also of a work folder that is not this job's.
        refused("is KRAFT's own", job, *words, f"work/{name}", *(() if job is benchmark else ("--work", "other")))
        assert not (place / "other").exists()

    def test_raw_files(self, place, job, words):
        os.link(place / "raw" / "small_matrix.csv", place / "hard.csv")
        (place / "soft.csv").symlink_to("raw/user_features.csv")
        for name in ("raw/small_matrix.csv", "raw/../raw/item_categories.csv", "hard.csv", "soft.csv"):
            refused("this is an input (--raw)", job, "--raw", "raw", *words, name)
        # It would be read in place of the CSV file.
        refused("would be taken for an input", job, "--raw", "raw", *words, "raw/small_matrix.parquet")
        refused("would be taken for an input", job, "--raw", "raw", *words, "raw/KuaiRec/data/user_features.csv")

    def test_settings(self, place, job, words):
        (place / "kraft.toml").write_text("", encoding="utf-8")
        with pytest.raises(InputError, match=r"kraft\.toml|is not one that KRAFT writes"):
            check(job, *words, "kraft.toml")

    def test_what_is_no_regular_file(self, place, job, words):
        os.mkfifo(place / "pipe.csv")
        (place / "to_pipe.csv").symlink_to("pipe.csv")
        (place / "circle.csv").symlink_to("circle.csv")
        refused("a pipe is there", job, *words, "pipe.csv")
        refused("a pipe is there", job, *words, "to_pipe.csv")
        refused("a link that leads to itself", job, *words, "circle.csv")
        refused("a folder of this name", job, *words, "raw")
        refused("pairs.csv is not a folder", job, *words, "pairs.csv/x.csv")
        refused("File name too long", job, *words, f"{'x' * 250}.csv")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket.csv")
            refused("a socket is there", job, *words, "socket.csv")

    def test_where_a_folder_will_be(self, job, words, place):  # noqa: ARG002 - the current folder
        refused("needs a folder of this name", job, "--work", "new/work", *words, "new")

    def test_a_link_may_lead_to_a_file_or_to_nothing_yet(self, place, job, words):
        (place / "link.csv").symlink_to("later.csv")
        check(job, *words, "link.csv")


def test_inputs_that_options_name(place):
    refused("an input (--pairs)", score, "--pairs", "pairs.csv", "--out", "pairs.csv")
    refused("an input (--matrix)", score, "--matrix", "log.csv", "--out", "./log.csv")
    refused("an input (--users)", recommend, "--users", "users.csv", "--out", "users.csv")
    refused(
        "an input (--items)",
        recommend,
        "--items",
        "users.csv",
        "--out",
        "x.csv",
        "--evaluate",
        "--json-out",
        "users.csv",
    )
    refused("an input (--compare)", evaluate, "--compare", "kraft", "scores.csv", "--json-out", place / "scores.csv")


def test_data_that_is_found_without_raw(place):
    (place / "raw").rename(place / "data")
    refused("an input (--raw)", score, "--out", "data/small_matrix.csv")


def test_outputs_of_one_call(place):
    (place / "link.json").symlink_to("page.json")
    refused("names the same file", evaluate, "--html", "page.json", "--json-out", "link.json")
    refused("same file", evaluate, "--html", "work/evaluation.json")
    refused("same file", recommend, "--out", "x.csv", "--evaluate", "--json-out", "x.csv")
    refused(
        "needs a folder of this name", recommend, "--out", "x.csv", "--evaluate", "--json-out", "x.csv/metrics.json"
    )
    refused("has to be a folder", recommend, "--out", "x/y.csv", "--evaluate", "--json-out", "x")
    refused("same file", explore, "--out", "figures")


def test_places_that_no_option_names(place):
    for name in ("evaluation.json", "comparison.json", "recommendations.json", "benchmark-limit.json"):
        os.mkfifo(place / "work" / name)
    refused("a pipe is there", evaluate)
    refused("a pipe is there", evaluate, "--compare", "kraft", "documented")
    refused("a pipe is there", recommend, "--out", "x.csv", "--evaluate")
    refused("a pipe is there", benchmark, "limit")
    (place / "figures").write_text("", encoding="utf-8")
    refused("figures: not a folder", explore, "--out", "page.html")
    refused("figures: not a folder", evaluate, "--html", "page.html", "--json-out", "x.json")
    (place / "report").write_text("", encoding="utf-8")
    refused("report is not a folder", explore)


def test_folders_to_write_to(place):
    for job in (synthesize, fetch_data):
        check(job, "--to", "new/folder")
        check(job, "--to", "raw")
        refused("not a folder", job, "--to", "pairs.csv")
        refused("is KRAFT's own", job, "--to", "work/tables")
        os.mkfifo(place / f"pipe-{job.__name__}")
        refused("not a folder", job, "--to", f"pipe-{job.__name__}")


def test_urls(place):
    refused("not on this machine", score, "--out", "hdfs://host/scores")
    refused("not on this machine", score, "--out", "file:///tmp/scores")
    spark = ("--engine", "spark")
    check(score, *spark, "--out", "hdfs://host/scores", "--raw", "hdfs://host/data")
    refused("an input (--matrix)", score, *spark, "--out", "s3a://x/log/", "--matrix", "s3a://x/log")
    refused("an input (--matrix)", score, *spark, "--out", "s3a://x/log/new", "--matrix", "s3a://x/log")
    refused("an input (--raw)", recommend, *spark, "--out", "hdfs://host", "--raw", "hdfs://host/data")
    refused("is KRAFT's own", score, *spark, "--out", f"file://{place}/work/tables")


# --- the check itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_every_path_of_every_job_has_a_role(job, place):  # noqa: ARG001 - the current folder
    words = {"benchmark": ["limit"], "explain": ["--user", "1"], "score": ["--out", "x"], "recommend": ["--out", "x"]}
    check(job, *words.get(job.__name__.removeprefix("jobs."), []))


def test_a_job_whose_path_has_no_role_does_not_start(place, monkeypatch):  # noqa: ARG001 - the current folder
    from pathlib import Path  # noqa: PLC0415 - an annotation

    class Options(Settings):
        """A job."""

        forgotten: Path = Path("x")
        """A path."""

    monkeypatch.setattr(sys, "argv", ["job"])
    monkeypatch.setattr("jobs._command.stop_in_order", lambda: None)
    with pytest.raises(TypeError, match=r"Options\.forgotten is a path"):
        run(Options, lambda _: pytest.fail("it started"))


def test_run_checks_before_the_job(place, monkeypatch, capsys):
    class Options(Settings):
        """A job."""

        out: OutputFile
        """A path."""

    os.mkfifo(place / "pipe")
    monkeypatch.setattr(sys, "argv", ["job", "--out", "pipe"])
    monkeypatch.setattr("jobs._command.stop_in_order", lambda: None)
    with pytest.raises(SystemExit, match=r"^2$"):
        run(Options, lambda _: pytest.fail("it started"))
    assert capsys.readouterr().err == "error: --out pipe: a pipe is there, not a file\n       Give another path.\n"


def test_own_names_are_all_that_a_store_makes(store):
    assert {path.name for path in store.folder.iterdir()} <= OWN


def test_stems_are_those_of_the_contracts():
    known = {"small_matrix", "big_matrix"}
    known |= {one.stem for one in (contracts.USERS, contracts.CATEGORIES, *contracts.OPTIONAL)}
    assert set(STEMS) == known


def test_nothing_to_check():
    check_outputs([])


# --- endings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("x", "parquet"),
        ("x.parquet", "parquet"),
        ("x.PARQUET", "parquet"),
        ("x.csv", "csv"),
        ("x.v2.csv", "csv"),
        ("x.csv.gz", "csv.gz"),
        ("x.CSV.GZ", "csv.gz"),
        ("x.csv.zst", "csv.zst"),
        (".hidden", "parquet"),
    ],
)
def test_endings_that_are_written(tmp_path, name, format):  # noqa: A002 - as it is called
    assert table_format(tmp_path / name) == format


@pytest.mark.parametrize(
    "name",
    ["x.json", "x.xlsx", "x.txt", "x.tsv", "x.csv.bz2", "x.csv.xz", "x.gz", "x.parquet.gz", "x.feather"],
)
def test_other_endings_are_refused(tmp_path, name):
    for job in (score, recommend):
        with pytest.raises(InputError, match="is not one that KRAFT writes") as raised:
            check(job, "--work", tmp_path / "work", "--out", tmp_path / name)
        assert ".csv.gz" in raised.value.remedy
    with pytest.raises(InputError, match="is not one that KRAFT writes"):
        check_outputs([Output("--out", tmp_path / name, table=True)])


# --- write_whole ---------------------------------------------------------------------------------


class TestWriteWhole:
    def write(self, path):
        write_whole(path, lambda draft: draft.write_text("new", encoding="utf-8"))

    def test_follows_links(self, tmp_path):
        (tmp_path / "far").mkdir()
        (tmp_path / "far" / "target").write_text("old", encoding="utf-8")
        for link, target in (("link", "far/target"), ("second", "link"), ("ahead", "far/not yet")):
            (tmp_path / link).symlink_to(target)
            self.write(tmp_path / link)
            assert (tmp_path / link).is_symlink()
            assert (tmp_path / link).read_text(encoding="utf-8") == "new"
        assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["not yet", "target"]

    def test_replaces_only_files(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("pipe")
        (tmp_path / "circle").symlink_to("circle")
        (tmp_path / "folder").mkdir()
        for name, told in (("pipe", "a pipe"), ("link", "a pipe"), ("folder", "a folder"), ("circle", "itself")):
            with pytest.raises(InputError, match=told):
                self.write(tmp_path / name)
        assert (tmp_path / "pipe").is_fifo()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "folder", "link", "pipe"]

    def test_replaces_nothing_that_came_meanwhile(self, tmp_path):
        with pytest.raises(InputError, match="a pipe is there"):
            write_whole(tmp_path / "x", lambda _: os.mkfifo(tmp_path / "x"))
        assert [path.name for path in tmp_path.iterdir()] == ["x"]


# --- names that DuckDB cannot be told ---------------------------------------------------------------


def test_names_that_cannot_be_told(tmp_path):
    for name in ("a[1]", "a?b", "a*b", "a\\b", "-a", "a'\"b", "a%20b#", "ü", "a\nb", "user_id=5", "{a,b}", "~"):
        check_name("--raw", tmp_path / name)
        if "\\" not in name:
            check_name("--work", tmp_path / name, work=True)
    with pytest.raises(InputError, match=r"--work .*: a backslash in a path"):
        check_name("--work", tmp_path / "a\\b", work=True)
    with pytest.raises(InputError, match=r"--raw .*: a backslash beside \[, \* or \?"):
        check_name("--raw", tmp_path / "a\\b[1]")
    with pytest.raises(InputError, match="not UTF-8"):
        check_name("--pairs", tmp_path / os.fsdecode(b"a\xffb"))


def test_a_job_is_not_begun_with_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("a backslash", score, "--work", "a\\b", "--out", "x.csv")
    refused("a backslash", benchmark, "limit", "--work", "a\\b")
    refused("a backslash beside", score, "--pairs", "a\\[1].csv", "--out", "x.csv")
    (tmp_path / "a\\b").mkdir()
    (tmp_path / "link").symlink_to("a\\b")
    refused("a backslash", score, "--work", "link", "--out", "x.csv")
