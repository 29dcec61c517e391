"""The commands as a user types them: fresh machine, second call, own pairs, bad input."""

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from commands import run

pytestmark = pytest.mark.slow

ROUNDS = ("--rounds", "5")
READ = "small_matrix.csv, user_features.csv, item_categories.csv (+ 3 optional) in {}/work/synthetic/"


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A folder in which somebody without data typed the main command."""
    folder = tmp_path_factory.mktemp("used")
    done = run("score", "--out", "submission.parquet", *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_one_command_does_it_all_and_says_so(used):
    folder, done = used
    assert "synthetic KuaiRec data" in done.stderr
    assert "python -m jobs.fetch_data" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("score  ")
    assert "of 1,024 MiB" in lines[0]
    assert lines[1] == f"  read    {READ.format(folder)}"
    assert lines[-1] == "next      python -m jobs.evaluate"
    submission = pl.read_parquet(folder / "submission.parquet")
    pairs = pl.read_parquet(folder / "work/tables/interactions_test.parquet")
    assert submission.select("user_id", "item_id").equals(pairs.select("user_id", "item_id"))
    assert submission["score"].is_between(0, 1).all()
    assert list((folder / "work" / "tmp").iterdir()) == []


def test_a_second_call_reuses_everything(used):
    folder, _ = used
    before = (folder / "work/models/ranker_kraft/ranker.txt").stat().st_mtime_ns
    done = run("score", "--out", "again.csv", *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "reused" in done.stdout
    assert "built from" not in done.stdout
    assert f"\n  read    {READ.format(folder)}\n" in done.stdout
    assert (folder / "work/models/ranker_kraft/ranker.txt").stat().st_mtime_ns == before
    again, first = pl.read_csv(folder / "again.csv"), pl.read_parquet(folder / "submission.parquet")
    assert again["score"].to_list() == first["score"].to_list()


def test_another_threshold_rebuilds_what_depends_on_it(used):
    folder, _ = used
    done = run("build_features", "--work", "other", "--raw", "work/synthetic", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run("build_features", "--work", "other", "--raw", "work/synthetic", "--positive-threshold", 2, cwd=folder)
    assert "rebuilt interactions: positive_threshold 1.0 -> 2.0" in done.stdout
    assert "reused  user_features, video_metadata, item_daily, friends (unchanged)" in done.stdout


def test_own_pairs_are_scored_like_test_pairs_in_their_own_order(used):
    folder, _ = used
    known = pl.read_parquet(folder / "submission.parquet").sample(200, seed=1, shuffle=True)
    strangers = pl.DataFrame({"user_id": [999_999, known["user_id"][0]], "item_id": [known["item_id"][0], 999_999]})
    asked = pl.concat([known.select("user_id", "item_id"), strangers.cast(pl.Int32)])
    asked.write_csv(folder / "pairs.csv")
    done = run("score", "--pairs", "pairs.csv", "--out", "mine.parquet", *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    mine = pl.read_parquet(folder / "mine.parquet")
    assert mine.select("user_id", "item_id").rows() == asked.rows()
    assert mine["score"][:200].to_list() == known["score"].to_list()
    # Of the strangers, one user and one video are in no file.
    assert "cold    1 pair of 1 user not in the train period: scored like users without a history" in done.stdout
    for kind in ("users", "videos"):
        assert f"unknown 1 of these {kind} is in none of the raw files: check the ids" in done.stdout


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("user_id,item_id\n1,2\n,3\n", "line 3, column user_id: the value is missing"),
        ("user_id,item_id\nu12,2\n", "line 2, column user_id: 'u12' is not an integer from 0 to 2,147,483,647"),
        (
            "user_id,item_id,timestamp\n1,2,2020-07-05 12:00:00\n",
            "line 2, column timestamp: '2020-07-05 12:00:00' is not",
        ),
    ],
)
def test_bad_pairs_are_one_clear_error(used, content, place):
    folder, _ = used
    (folder / "bad.csv").write_text(content)
    done = run("score", "--pairs", "bad.csv", "--out", "bad.parquet", *ROUNDS, cwd=folder)
    assert done.returncode == 2
    problem, remedy = done.stderr.splitlines()[-2:]
    assert problem.startswith(f"error: bad.csv, {place}")
    assert remedy == "       Correct the row. Nothing was written."
    assert "Traceback" not in done.stderr
    assert not (folder / "bad.parquet").exists()


def test_bad_scores_to_compare_are_one_clear_error(used):
    folder, _ = used
    scores = pl.read_parquet(folder / "submission.parquet")
    scores.with_columns(score=float("nan")).write_parquet(folder / "nan.parquet")
    done = run("evaluate", "--compare", "nan.parquet", "submission.parquet", *ROUNDS, cwd=folder)
    assert done.returncode == 2
    assert "nan.parquet, row 1, column score: 'nan' is not a finite number" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("job", "arguments", "message"),
    [
        ("score", ["--out", "x.parquet", "--raw", "nowhere"], "--raw nowhere: no such folder"),
        ("score", ["--out", "x.parquet", "--pairs", "nowhere.csv"], "--pairs nowhere.csv: no such file"),
        ("score", [], "--out is required"),
        ("train", ["--memory-limit", "64MiB"], "--memory-limit 64 MiB is less than"),
        ("build_features", ["--train-fraction", "1.5"], "--train-fraction 1.5: input should be less than 1"),
        ("build_features", ["--matrix", "nowhere.csv"], "--matrix nowhere.csv: no such file"),
    ],
)
def test_bad_options_are_one_clear_error(tmp_path, job, arguments, message):
    (tmp_path / "data").mkdir()
    raw = ["--raw", _tiny(tmp_path)] if "--matrix" in arguments else []
    done = run(job, *arguments, *raw, cwd=tmp_path)
    assert done.returncode == 2
    assert "error: " in done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.parquet").exists()


def _tiny(folder):
    made = run("synthesize", "--to", "raw", "--users", 10, "--items", 50, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    return "raw"


def test_a_bad_row_is_named_and_nothing_is_written(tmp_path):
    raw = tmp_path / _tiny(tmp_path)
    lines = (raw / "small_matrix.csv").read_text().splitlines(keepends=True)
    lines[7] = "abc" + lines[7]
    (raw / "small_matrix.csv").write_text("".join(lines))
    done = run("build_features", "--raw", raw, cwd=tmp_path)
    assert done.returncode == 2
    assert "small_matrix.csv, line 8, column user_id: 'abc" in done.stderr
    assert not (tmp_path / "work/tables/interactions.parquet").exists()


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
def test_a_column_of_times_is_told_before_any_work(tmp_path, on_bad_rows):
    raw = tmp_path / _tiny(tmp_path)
    log = pl.read_csv(raw / "small_matrix.csv").with_columns(pl.from_epoch("timestamp"))
    log.write_parquet(raw / "small_matrix.parquet")
    (raw / "small_matrix.csv").unlink()
    done = run("score", "--raw", "raw", "--out", "x.parquet", "--on-bad-rows", on_bad_rows, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    problem, remedy = done.stderr.splitlines()
    kind = "its type is TIMESTAMP, and it must be unix seconds"
    assert problem == f"error: raw/small_matrix.parquet, column timestamp: {kind}"
    assert remedy.startswith("       Write it with epoch(timestamp), in DuckDB: ")
    assert not (tmp_path / "x.parquet").exists()


def test_settings_come_from_kraft_toml_and_the_command_line_wins(tmp_path):
    (tmp_path / "kraft.toml").write_text('work = "elsewhere"\nnull_timestamps = "drop"\n')
    raw = _tiny(tmp_path)
    done = run("build_features", "--raw", raw, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "without a time are left out" in done.stdout
    done = run("build_features", "--raw", raw, "--null-timestamps", "last", cwd=tmp_path)
    assert "without a time come last" in done.stdout
    assert (tmp_path / "elsewhere" / "kraft.duckdb").is_file()


ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "sql/README.md")}
SHOWN = [(name, query) for name, page in PAGES.items() for query in re.findall(r"```sql\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize(("page", "query"), SHOWN)
def test_the_queries_of_the_pages_answer_with_the_columns_that_they_show(used, page, query):
    folder, _ = used
    shown = PAGES[page].split(f"```sql\n{query}```\n```text\n")[1].splitlines()[1]
    with duckdb.connect(str(folder / "work" / "kraft.duckdb"), read_only=True) as catalog:
        answer = catalog.sql(query)
        assert [name.strip() for name in shown.strip("│").split("│")] == answer.columns
        assert answer.fetchall()
