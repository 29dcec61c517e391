"""`kraft.logs.contracts`: where the raw files are found, and what they are told to lack."""

import pytest
from matching import exactly
from small_log import log_rows, log_text, run_build, write_raw

from kraft.engine.sql.sources import AbsentFile
from kraft.errors import InputError
from kraft.logs.contracts import resolve
from kraft.logs.files import PLACES, find_folder
from kraft.stages.table_lists import DETAIL_TABLES

CAPTIONS = (
    "video_id,caption,topic_tag,first_level_category_id,second_level_category_id,third_level_category_id\n"
    '10,"第一\r行",[],8.0,-124.0,\n'
)
DAILY = (
    "video_id,date,author_id,video_type,upload_dt,upload_type,show_cnt,play_cnt,like_cnt\n"
    "10,20200705,9,NORMAL,2020-07-01,LongImport,1,2,\n"
)


@pytest.mark.parametrize("place", PLACES)
def test_places(tmp_path, place):
    folder = write_raw(tmp_path / place, log_rows())
    assert find_folder(tmp_path) == tmp_path / place
    inputs, extras = resolve(tmp_path, "small")
    assert inputs["raw_interactions"].path.parent == folder
    assert {type(file) for file in extras.values()} == {AbsentFile}


def test_parquet_comes_before_csv(raw):
    (raw / "item_categories.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"item_categories\.parquet: not a readable Parquet file"):
        resolve(raw, "small")


def test_log_of_the_users_own(raw, tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text(log_text(log_rows(20)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    inputs, _ = resolve(raw, "mine.csv")
    assert str(inputs["raw_interactions"].path) == "mine.csv"
    assert run_build(raw, tmp_path / "work", matrix="mine.csv")["interactions"] == 20


MISSING = {
    "no folder": (
        ["nowhere", "small"],
        "--raw {0}/nowhere: no such folder",
        "Fetch the data: python -m jobs.fetch_data",
    ),
    "other folder": (
        [".", "small"],
        "--raw {0}: user_features.csv (or .parquet) is not in it",
        "Give the folder with KuaiRec's files, or fetch them: python -m jobs.fetch_data",
    ),
    "no big_matrix": (
        ["raw", "big"],
        "{0}/raw: big_matrix.csv (or .parquet) is not there",
        "Fetch the data: python -m jobs.fetch_data",
    ),
    "no such log": (
        ["raw", "mine.csv"],
        "--matrix mine.csv: no such file",
        "Give small, big, or a CSV or Parquet file.",
    ),
}


@pytest.mark.parametrize(("arguments", "problem", "remedy"), MISSING.values(), ids=MISSING)
def test_missing(raw, tmp_path, arguments, problem, remedy):
    folder, matrix = arguments
    assert raw == tmp_path / "raw"
    with pytest.raises(InputError, match=exactly(f"{problem.format(tmp_path)}\n       {remedy}")):
        resolve(tmp_path / folder, matrix)


@pytest.mark.parametrize("name", ["item_categories", "user_features"])
def test_required_column(raw, name):
    path = raw / f"{name}.csv"
    path.write_text("one,two\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name}\.csv: column \w+ is missing \(found: one, two\)"):
        resolve(raw, "small")


def test_optional_files_are_read_through_their_contracts(raw, tmp_path):
    (raw / "kuairec_caption_category.csv").write_text(CAPTIONS, encoding="utf-8", newline="")
    (raw / "item_daily_features.csv").write_text(DAILY, encoding="utf-8")
    (raw / "social_network.csv").write_text('user_id,friend_list\n1,"[2, 3]"\n', encoding="utf-8")
    _, extras = resolve(raw, "small")
    assert set(extras) == {"raw_kuairec_caption_category", "raw_item_daily_features", "raw_social_network"}
    built = run_build(raw, tmp_path / "work", tables=[*DETAIL_TABLES, "split"])["built"]
    assert {name: built[name]["rows"] for name in DETAIL_TABLES} == {"item_daily": 1, "friends": 2, "video_details": 7}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("-1,[2]", "ids must be integers from 0 on (least -1, missing 0)"),
        (",[2]", "ids must be integers from 0 on (least None, missing 1)"),
    ],
)
def test_optional_file_with_a_wrong_id(raw, tmp_path, row, problem):
    path = raw / "social_network.csv"
    path.write_text(f"user_id,friend_list\n{row}\n", encoding="utf-8")
    message = f"{path}, column user_id: {problem}\n       Correct these rows. Nothing was written."
    with pytest.raises(InputError, match=exactly(message)):
        run_build(raw, tmp_path / "work", preset="kraft")


def test_optional_file_is_checked_by_the_preset_that_reads_it_and_again_when_it_changed(raw, tmp_path):
    path, work = raw / "social_network.csv", tmp_path / "work"
    path.write_text("user_id,friend_list\n-1,[2]\n", encoding="utf-8")
    assert "ranker_train" in run_build(raw, work, preset="documented")["built"]
    with pytest.raises(InputError, match="ids must be integers from 0 on"):
        run_build(raw, work, tables=["friends", "split"])
    path.write_text("user_id,friend_list\n1,[2]\n", encoding="utf-8")
    run_build(raw, work, tables=["friends", "split"])
    path.write_text("user_id,friend_list\n-10,[2]\n", encoding="utf-8")
    with pytest.raises(InputError, match="ids must be integers from 0 on"):
        run_build(raw, work, tables=["friends", "split"])
