"""What does not count is told by every command, whether it made the tables or found them; too much of it stops them."""

import csv

import pytest
from commands import run

pytestmark = pytest.mark.slow

FAST = ("--raw", "raw", "--preset", "documented", "--rounds", "5", "--factors", "4", "--on-bad-rows", "quarantine")
LEFT_OUT = "test rows left out: their users are not in the train period"
QUARANTINED = (
    "quarantined 3 rows of small_matrix.csv (most often: watch_ratio must be a number; see the table rejected_rows)"
)
TIED = "without a timestamp: rows within are ordered by user id and item id"


def change(path, change_row):
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    rows = [change_row(number, dict(zip(header, row, strict=True))) for number, row in enumerate(rows)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *(row.values() for row in rows)])


def synthetic(folder, change_row):
    made = run("synthesize", "--to", "raw", "--users", 20, "--items", 60, "--logs", "small", "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    change(folder / "raw" / "small_matrix.csv", change_row)
    return folder


def null_timestamps(row):
    return row | {"time": "", "date": "", "timestamp": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log with all that is told of: bad rows, two rows in five without a time, and a user who has none at all."""
    folder = tmp_path_factory.mktemp("losses")

    made = run("synthesize", "--to", "raw", "--users", 20, "--items", 60, "--logs", "small", "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    log = folder / "raw" / "small_matrix.csv"
    last = max(int(row["user_id"]) for row in csv.DictReader(log.read_text(encoding="utf-8").splitlines()))

    def harm(number, row):
        if number < 3:
            return row | {"watch_ratio": "much"}
        return null_timestamps(row) if number % 5 < 2 or int(row["user_id"]) == last else row

    change(log, harm)
    return folder


@pytest.mark.parametrize(
    "job",
    [
        ("build_features",),
        ("build_features", "--threads", "1"),
        ("train", "--only-als"),
        ("train",),
        ("score", "--out", "s.csv"),
        ("evaluate", "--html", "evaluation.md", "--format", "markdown"),
        ("recommend", "--out", "r.csv", "--evaluate"),
        ("explore", "--out", "explore.md", "--format", "markdown"),
    ],
    ids=" ".join,
)
def test_every_summary_tells(folder, job):
    name, *options = job
    done = run(name, *FAST, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"  {QUARANTINED}" in lines
    (left_out,) = [line for line in lines if line.endswith(LEFT_OUT)]
    (tied,) = [line for line in lines if line.startswith("  warning: the cut falls among ")]
    assert tied.endswith(TIED)
    if name in {"evaluate", "explore"}:
        page = next(folder.glob(f"{name[:4]}*.md")).read_text(encoding="utf-8").replace("\\", "")
        for clause in (QUARANTINED, left_out.strip(), tied.removeprefix("  warning: t")):
            assert clause[1:] in page


@pytest.mark.parametrize(
    "moment",
    [lambda _: "", lambda _: "1593878903"],
    ids=["no time", "one time"],
)
def test_a_test_period_of_strangers_stops_a_job_before_it_trains(tmp_path, moment):
    synthetic(tmp_path, lambda _, row: row | {"timestamp": moment(row["timestamp"])})
    done = run("score", "--raw", "raw", "--out", "s.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    problem, remedy = done.stderr.strip().split("\n       ")
    assert "their users are not in the train period; the cut falls among " in problem
    assert "Give " in remedy
    assert not (tmp_path / "s.csv").exists()
    # The factors may have been fitted beside the build.
    assert {path.name for path in (tmp_path / "work" / "models").iterdir()} <= {"als_kraft"}
    assert list((tmp_path / "work" / "tables").iterdir()) == []


def test_times_as_a_spreadsheet_writes_them_are_warned_of(tmp_path):
    """Two times for the whole log: most users have rows at both, so few leave the test."""
    synthetic(tmp_path, lambda _, row: row | {"timestamp": f"{float(row['timestamp'] or 1.6e9):.2E}"})
    done = run("build_features", "--raw", "raw", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warning: the cut falls among " in done.stdout


@pytest.mark.parametrize("preset", ["kraft", "documented"])
@pytest.mark.parametrize(
    ("file", "column", "rule"),
    [
        ("small_matrix", "timestamp", "timestamp must be a number"),
        ("user_features", "onehot_feat1", "onehot_feat1 must be a number"),
    ],
)
def test_a_file_of_bad_rows_stops_a_job(tmp_path, preset, file, column, rule):
    synthetic(tmp_path, lambda _, row: row)
    change(
        tmp_path / "raw" / f"{file}.csv", lambda number, row: row | ({column: "2020-07-05 12:25:39"} if number else {})
    )
    asked = ("--raw", "raw", "--out", "s.csv", "--preset", preset, "--on-bad-rows", "quarantine")
    done = run("score", *asked, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "rows (9" in done.stderr
    assert "would be quarantined, more than --max-bad-rows 0.05 allows; most often" in done.stderr
    assert f"first line 3, {column} '2020-07-05 12:25:39'): {rule}\n" in done.stderr
    assert list((tmp_path / "work" / "tables").iterdir()) == []


def test_an_error_after_the_build_tells_of_the_rows_quarantined(tmp_path):
    synthetic(tmp_path, lambda number, row: row | ({"timestamp": row["time"]} if number % 20 else {}))
    asked = ("--raw", "raw", "--on-bad-rows", "quarantine", "--max-bad-rows", "1", "--max-left-out", "1")
    done = run("train", *asked, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "too few" in done.stderr
    assert (
        "rows of small_matrix.csv were quarantined, most often: timestamp must be a number; see the table"
        in done.stderr
    )
    assert (tmp_path / "work" / "tables" / "rejected_rows.parquet").exists()
