"""Rows that do not count are told, whether the tables were made or reused; where they are too many, it is an error."""

import csv
import struct

import polars as pl
import pytest
from small_log import Row, log_rows, log_text, run_build, write_raw

from kraft.engine.quarantine.screening import hold_share
from kraft.errors import InputError
from kraft.logs import losses
from kraft.pipeline.pipeline import Pipeline
from kraft.settings import Settings

pytestmark = pytest.mark.slow

START = 1593878903.5
INTEGER = "an integer (from -2,147,483,648 to 2,147,483,647)"
ON_USERS = "their users are not in the train period"


def retimed(moment, rows=None):
    """The rows of a log with ``moment(number, row)`` for a time, each unlike the others."""
    return [
        row._replace(timestamp=moment(number, row), play_duration=row.play_duration + number % 60)
        for number, row in enumerate(rows or log_rows())
    ]


def as_float32(seconds):
    return struct.unpack("f", struct.pack("f", seconds))[0]


def built(tmp_path, rows, **settings):
    raw = tmp_path / "raw"
    if not raw.exists():
        write_raw(raw, rows)
    return run_build(raw, tmp_path / "work", **({"max_left_out": 0.5} | settings))


def rows_of(made):
    return losses.Losses(made["rejected"], made["test_rows"], made["label_rows"])


def told(made):
    return [*losses.sentences(rows_of(made)), *losses.warnings(rows_of(made))]


# --- the test period ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "among"),
    [
        (lambda *_: START, "60 rows (100.0% of the log) of one time, 2020-07-05 00:08:23 (UTC+8)"),
        (lambda *_: None, "60 rows (100.0% of the log) without a timestamp"),
        (
            lambda number, _: float(f"{START + 600 * number:.2E}"),
            "60 rows (100.0% of the log) of one time, 2020-05-21 02:40:00",
        ),
        (lambda number, _: as_float32(START + number), "60 rows (100.0% of the log) of one time, 2020-07-05 00:08:32"),
    ],
    ids=["one time", "no time", "as a spreadsheet writes it", "float32"],
)
def test_more_than_half_of_the_test_rows_left_out_of_a_tie(tmp_path, moment, among):
    with pytest.raises(InputError) as caught:
        built(tmp_path, retimed(moment))
    problem, remedy = str(caught.value).split("\n       ")
    assert "small_matrix.csv: 10 of 12 test rows (83.3%) would be left out, more than --max-left-out 0.5" in problem
    assert ON_USERS in problem
    assert f"the cut falls among {among}" in problem
    assert problem.endswith("rows within are ordered by user id and item id")
    assert "timestamp" in remedy
    assert remedy.endswith("--max-left-out 1. Nothing was published.")
    assert list((tmp_path / "work" / "tables").iterdir()) == []


def test_rows_without_a_time_can_be_dropped_where_others_have_one(tmp_path):
    rows = retimed(lambda number, row: START + number if row.user_id < 3 else None)
    with pytest.raises(
        InputError, match=f"{ON_USERS}; the cut falls among 30 rows .50.0% of the log. without"
    ) as caught:
        built(tmp_path, rows)
    assert "leave those without one out with --null-timestamps drop" in caught.value.remedy
    made = built(tmp_path, rows, null_timestamps="drop")
    assert (made["test_rows"]["test_rows"], made["test_rows"]["left_out"], told(made)) == (6, 0, [])


def test_a_log_of_ever_new_users_is_left_out_without_a_tie(tmp_path):
    rows = retimed(lambda number, _: START + number, [Row(number // 10, 10 + number % 7) for number in range(60)])
    with pytest.raises(InputError, match=ON_USERS) as caught:
        built(tmp_path, rows)
    assert "tie" not in str(caught.value)
    assert "the cut falls" not in str(caught.value)
    assert "--train-fraction" in caught.value.remedy


def test_a_greater_share_may_be_allowed_and_an_allowed_one_is_told_when_reused(tmp_path):
    rows = retimed(lambda *_: START)
    among = "the cut falls among 60 rows (100.0% of the log) of one time, 2020-07-05 00:08:23 (UTC+8)"
    expected = [f"10 of 12 test rows left out: {ON_USERS}", f"{among}: rows within are ordered by user id and item id"]
    for _ in range(2):
        made = built(tmp_path, rows, max_left_out=0.9)
        assert [line for line in told(made) if "merged" not in line] == expected
    assert made["built"] == {}
    with pytest.raises(InputError, match="10 of 12 test rows"):
        built(tmp_path, rows)


def test_half_of_the_rows_without_a_time_is_a_warning(tmp_path):
    made = built(tmp_path, retimed(lambda number, _: START + number if number // 2 % 2 == 0 else None))
    assert (made["test_rows"]["tied"], made["test_rows"]["left_out"]) == (30, 0)
    (warning,) = losses.warnings(rows_of(made))
    assert warning.startswith("the cut falls among 30 rows (50.0% of the log) without a timestamp: ")


@pytest.mark.parametrize(("tied", "warned"), [(2, False), (4, True)])
def test_only_a_tie_of_more_than_a_hundredth_is_told(tmp_path, tied, warned):
    rows = log_rows(305)[:300]
    # The cut comes behind row 240.
    rows = retimed(lambda number, _: START + (239 if 239 <= number < 239 + tied else number), rows)
    made = built(tmp_path, rows)
    assert (made["test_rows"]["tied"], made["test_rows"]["tied_test"]) == (tied, tied - 1)
    assert bool(losses.warnings(rows_of(made))) == warned


def test_a_tie_that_ends_at_the_cut_is_none(tmp_path):
    made = built(tmp_path, retimed(lambda number, _: START + max(number, 47)))
    assert (made["test_rows"]["tied"], made["test_rows"]["tied_test"], losses.warnings(rows_of(made))) == (48, 0, [])


def test_repeated_pairs_are_told(tmp_path):
    rows = retimed(lambda number, _: START + number, log_rows(60) + [Row(1, 10 + number % 2) for number in range(5)])
    made = built(tmp_path, rows)
    assert made["test_rows"]["merged"] == made["test_rows"]["test_rows"] - made["test_rows"]["pairs"] > 0
    assert told(made) == [f"{made['test_rows']['merged']} of 13 test rows merged with another of the same pair"]


def test_the_other_log_that_is_tested_on(tmp_path):
    raw = write_raw(tmp_path / "raw", [Row(user, 10, timestamp=START + user) for user in range(6)])
    rows = [row for row in log_rows() if row.user_id < 2 and row.video_id > 10]
    (raw / "big_matrix.csv").write_text(log_text(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"small_matrix\.csv: 4 of 6 test rows .66\.7%. would be left out"):
        run_build(raw, tmp_path / "work", protocol="big-to-small", max_left_out=0.5)
    for _ in range(2):
        made = run_build(raw, tmp_path / "work", protocol="big-to-small", max_left_out=0.7)
        assert told(made) == [f"4 of 6 test rows left out: {ON_USERS}"]
    assert made["built"] == {}


def test_rows_that_the_ranker_cannot_learn_from_are_told(tmp_path):
    """The train period is cut again: at three quarters of one time, most labels are of users without a history."""
    rows = retimed(lambda number, _: START if number < 45 else START + 600 * number, log_rows(65)[:60])
    made = built(tmp_path, rows, preset="kraft")
    assert made["label_rows"]["left_out"] > 0
    lines = told(made)
    count, of = made["label_rows"]["left_out"], made["label_rows"]["test_rows"]
    assert any(line.startswith(f"{count} of {of} rows with labels for the ranker left out: ") for line in lines)
    assert any(
        line.startswith("the cut between history and labels falls among 45 rows (93.8% of the train") for line in lines
    )


# --- quarantine -----------------------------------------------------------------------------------------


def spoil(path, column, value, count):
    """Put a bad value into the first rows of a file."""
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    for row in rows[:count]:
        row[header.index(column)] = value
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


CATEGORIES = "feat must be a list of category ids, integers of at most 9 digits, for example [27, 9]"
SPOILT = {
    "log": ("small_matrix.csv", "timestamp", "2020-07-05 12:25:39", 60, "timestamp must be a number"),
    "users": ("user_features.csv", "onehot_feat0", "many", 6, "onehot_feat0 must be a number"),
    "videos": ("item_categories.csv", "feat", "none", 7, CATEGORIES),
}


@pytest.mark.parametrize("case", SPOILT.values(), ids=SPOILT)
def test_too_many_bad_rows_of_any_file_are_an_error(raw, tmp_path, case):
    file, column, value, rows, rule = case
    spoil(raw / file, column, value, 3)
    asked = {"on_bad_rows": "quarantine"}
    line = rf"3 of {rows} rows \({3 / rows:.1%}\) would be quarantined, more than --max-bad-rows 0\.04 allows"
    with pytest.raises(InputError, match=line) as caught:
        run_build(raw, tmp_path / "work", max_bad_rows=0.04, **asked)
    assert f"most often (3 rows, first line 2, {column} {value!r}): {rule}" in caught.value.problem
    assert "--max-bad-rows" in caught.value.remedy
    assert list((tmp_path / "work" / "tables").iterdir()) == []
    for _ in range(2):
        made = run_build(raw, tmp_path / "work", max_bad_rows=0.5, **asked)
        assert f"quarantined 3 rows of {file} (most often: {rule}; see the table rejected_rows)" in told(made)
    assert made["built"] == {}
    # What an earlier job was allowed does not hold for the next.
    with pytest.raises(InputError, match=line):
        run_build(raw, tmp_path / "work", max_bad_rows=0.04, **asked)


def test_the_most_frequent_reason_is_told(raw, tmp_path):
    spoil(raw / "small_matrix.csv", "timestamp", "soon", 3)
    spoil(raw / "small_matrix.csv", "user_id", "-1", 1)
    made = run_build(raw, tmp_path / "work", on_bad_rows="quarantine")
    found = made["rejected"]["small_matrix.csv"]
    assert (found["quarantined"], found["read"], found["often"]) == (3, 60, 3)
    spoil(raw / "small_matrix.csv", "timestamp", "1593878903.5", 1)
    found = run_build(raw, tmp_path / "work", on_bad_rows="quarantine")["rejected"]["small_matrix.csv"]
    assert (found["quarantined"], found["often"]) == (3, 2)
    assert found["reason"] == "timestamp must be a number"


def test_bad_rows_of_parquet_and_of_the_other_log(raw, tmp_path):
    rows = [{**row._asdict(), "user_id": str(row.user_id + 50)} for row in log_rows()]
    for row in rows[20:24]:
        row["user_id"] = "nobody"
    (raw / "small_matrix.csv").rename(raw / "big_matrix.csv")
    pl.DataFrame(rows).write_parquet(raw / "small_matrix.parquet")
    asked = {"on_bad_rows": "quarantine", "protocol": "big-to-small"}
    with pytest.raises(
        InputError, match=r"small_matrix\.parquet: 4 of 60 rows .6\.7%. would.* first row 21, user_id 'nobody'"
    ):
        run_build(raw, tmp_path / "work", max_bad_rows=0.05, **asked)
    made = run_build(raw, tmp_path / "work", **asked)
    assert told(made)[0].startswith(
        "quarantined 4 rows of small_matrix.parquet (most often: user_id must be an integer"
    )


def test_the_share_is_of_all_rows_and_advised_so_that_it_is_enough(tmp_path):
    found = {"quarantined": 2, "read": 3, "reason": "x must be", "often": 2, "example": "line 2"}
    with pytest.raises(InputError, match=r"--max-bad-rows 0\.67\. Nothing"):
        hold_share(tmp_path, found, 0.66)
    hold_share(tmp_path, found, 0.67)
    hold_share(tmp_path, found | {"quarantined": 1, "read": 20}, 0.05)


# --- errors that come after it ----------------------------------------------------------------------------


def test_an_error_of_the_same_build_says_what_was_quarantined(raw, tmp_path):
    spoil(raw / "small_matrix.csv", "timestamp", "2020-07-05 12:25:39", 57)
    spoil(raw / "user_features.csv", "user_id", "x", 1)
    with pytest.raises(InputError, match="at least 5 interactions") as caught:
        run_build(raw, tmp_path / "work", on_bad_rows="quarantine")
    _, *notes, remedy = str(caught.value).split("\n       ")
    log, users = (
        "57 of 60 rows of small_matrix.csv were quarantined",
        "1 of 6 rows of user_features.csv were quarantined",
    )
    when, who = "timestamp must be a number", f"user_id must be {INTEGER}"
    assert sorted(notes, reverse=True) == [
        f"{log}, most often: {when}; the first is line 2, timestamp '2020-07-05 12:25:39'",
        f"{users}, most often: {who}; the first is line 2, user_id 'x'",
    ]
    assert remedy.endswith("Nothing was written.")


@pytest.mark.parametrize("again", [False, True], ids=["built", "reused"])
def test_an_error_of_a_later_stage_says_what_was_quarantined(raw, tmp_path, again):
    spoil(raw / "small_matrix.csv", "play_duration", "long", 9)
    settings = Settings(
        raw=raw, work=tmp_path / "work", threads=1, quiet=True, preset="documented", factors=4, store_zeros=False,
        on_bad_rows="quarantine", max_bad_rows=0.2, positive_threshold=99,
    )  # fmt: skip
    if again:
        with Pipeline(settings) as first:
            first.build()
    with pytest.raises(InputError, match="is positive") as caught, Pipeline(settings) as pipeline:
        pipeline.fit_als()
    note = f"9 of 60 rows of small_matrix.csv were quarantined, most often: play_duration must be {INTEGER}"
    assert f"\n       {note}; see the table rejected_rows\n" in str(caught.value)
    assert pl.read_parquet(tmp_path / "work" / "tables" / "rejected_rows.parquet").height == 9


def test_the_errors_of_a_build_keep_their_notes_on_the_way_to_the_job(raw, tmp_path):
    spoil(raw / "small_matrix.csv", "timestamp", "2020-07-05 12:25:39", 57)
    settings = Settings(
        raw=raw, work=tmp_path / "work", threads=1, quiet=True, on_bad_rows="quarantine", max_bad_rows=1
    )
    with (
        pytest.raises(InputError, match=r"57 of 60 rows of small_matrix\.csv were quarantined"),
        Pipeline(settings) as run,
    ):
        run.build()
