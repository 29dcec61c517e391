"""`kraft.logs.files`: which of several files of one name is read, and what is told of the others."""

import gzip
import os

import polars as pl
import pytest
from matching import exactly
from small_log import log_rows, run_build

from kraft.engine.process.stage import Measured
from kraft.errors import InputError
from kraft.logs.contracts import resolve
from kraft.logs.files import find_file, unread
from kraft.pipeline.results import Results
from kraft.pipeline.summary import details
from kraft.settings import Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.table_records import TablesBuilt

FETCH = "\n       Fetch the data: python -m jobs.fetch_data"


def aged(path, seconds):
    os.utime(path, (1_600_000_000 + seconds, 1_600_000_000 + seconds))


@pytest.fixture
def both(raw):
    """The log as CSV (60 rows) and as Parquet (20 rows)."""
    pl.DataFrame(log_rows(20)).write_parquet(raw / "small_matrix.parquet")
    for path in raw.iterdir():
        aged(path, 0)
    return raw


@pytest.mark.parametrize(
    ("age", "read", "told"),
    [
        (-5, 60, "small_matrix.parquet: it is older than small_matrix.csv"),
        (0, 20, "small_matrix.csv: it is as old as small_matrix.parquet"),
        (5, 20, "small_matrix.csv: it is older than small_matrix.parquet"),
    ],
)
def test_the_newer_one_is_read_and_the_other_one_is_told(both, tmp_path, age, read, told):
    aged(both / "small_matrix.parquet", age)
    made = run_build(both, tmp_path / "work", tables=["interactions", "split"])
    assert (made["interactions"], made["files"]["unread"]) == (read, [told])
    results = Results()
    results.add(build_tables, Measured(TablesBuilt.model_validate(made), 1.0, 1), told=True)
    assert f"unread  {told}" in details(results, [], [], Settings())


def test_corrected_csv_beside_a_parquet_file_is_read_by_the_next_job(both, tmp_path):
    assert run_build(both, tmp_path / "work", tables=["interactions", "split"])["interactions"] == 20
    aged(both / "small_matrix.csv", 9)
    assert run_build(both, tmp_path / "work", tables=["interactions", "split"])["interactions"] == 60


def test_side_files_go_by_the_same_rule(both):
    videos = both / "item_categories.parquet"
    pl.read_csv(both / "item_categories.csv").write_parquet(videos)
    aged(videos, -5)
    assert resolve(both, "small")[0]["raw_item_categories"].path.suffix == ".csv"
    aged(videos, 5)
    assert resolve(both, "small")[0]["raw_item_categories"].path == videos


def test_a_log_that_is_named_is_read_whatever_stands_beside_it(both, tmp_path):
    aged(both / "small_matrix.parquet", 5)
    made = run_build(both, tmp_path / "work", tables=["interactions", "split"], matrix=str(both / "small_matrix.csv"))
    assert made["interactions"] == 60


def pack(path):
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return packed


@pytest.mark.parametrize("stem", ["small_matrix", "item_categories"])
def test_packed_file_in_place_of_the_file(raw, stem):
    packed = pack(raw / f"{stem}.csv")
    message = f"{raw}: {stem}.csv (or .parquet) is not there, but {stem}.csv.gz is\n       Unpack it: gunzip {packed}"
    with pytest.raises(InputError, match=exactly(message)):
        resolve(raw, "small")


def test_packed_file_by_which_the_folder_is_known(raw):
    packed = pack(raw / "user_features.csv")
    message = f"--raw {raw}: user_features.csv (or .parquet) is not in it, but user_features.csv.gz is"
    with pytest.raises(InputError, match=exactly(f"{message}\n       Unpack it: gunzip {packed}")):
        resolve(raw, "small")


def test_folder_in_place_of_the_file(raw):
    (raw / "small_matrix.csv").unlink()
    folder = raw / "small_matrix.parquet"
    folder.mkdir()
    pl.DataFrame(log_rows()).write_parquet(folder / "part-0.parquet")
    with pytest.raises(InputError, match=r"but small_matrix\.parquet/ is\n +A folder of parts is not read"):
        resolve(raw, "small")


@pytest.mark.parametrize("name", ["small_matrix.CSV", "Small_Matrix.csv", "small_matrix.txt", "small_matrix"])
def test_other_name_in_place_of_the_file(raw, name):
    (raw / "small_matrix.csv").rename(raw / name)
    with pytest.raises(InputError, match=rf"small_matrix\.csv \(or \.parquet\) is not there, but {name} is\n"):
        resolve(raw, "small")


def test_link_that_leads_nowhere(raw):
    (raw / "small_matrix.csv").unlink()
    (raw / "small_matrix.csv").symlink_to(raw / "gone.csv")
    with pytest.raises(InputError, match=r"but small_matrix\.csv is\n       It is a link to a file that is not there"):
        resolve(raw, "small")


def test_nothing_like_it(raw):
    (raw / "small_matrix.csv").rename(raw / "small_matrix_old.csv")
    with pytest.raises(InputError, match=exactly(f"{raw}: small_matrix.csv (or .parquet) is not there{FETCH}")):
        resolve(raw, "small")


def test_log_of_the_users_own_that_is_packed_or_a_folder(raw):
    packed = pack(raw / "small_matrix.csv")
    message = f"{packed}: it is a gzip file, not CSV text\n       Unpack it: gunzip {packed}"
    with pytest.raises(InputError, match=exactly(message)):
        resolve(raw, str(packed))
    named = packed.with_suffix("")
    message = f"--matrix {named}: no such file, but small_matrix.csv.gz is\n       Unpack it: gunzip {packed}"
    with pytest.raises(InputError, match=exactly(message)):
        resolve(raw, str(named))
    with pytest.raises(InputError, match=exactly(f"--matrix {raw}: it is a folder\n")[:-1]):
        resolve(raw, str(raw))


def test_optional_file_that_is_packed_is_told(raw, tmp_path):
    (raw / "social_network.csv").write_text("user_id,friend_list\n1,[2]\n", encoding="utf-8")
    made = run_build(raw, tmp_path / "before", tables=["friends", "interactions", "split"])["files"]
    assert (made["optional"], made["unread"]) == (1, [])
    packed = pack(raw / "social_network.csv")
    made = run_build(raw, tmp_path / "work", tables=["friends", "interactions", "split"])["files"]
    assert (made["optional"], made["unread"]) == (0, [f"social_network.csv.gz: Unpack it: gunzip {packed}"])


def test_newer_packed_file_beside_the_one_that_is_read_is_told(raw):
    packed = raw / "small_matrix.csv.gz"
    packed.write_bytes(gzip.compress(b"x"))
    log = raw / "small_matrix.csv"
    aged(log, 0)
    aged(packed, 5)
    assert unread(raw, "small_matrix") == [
        f"small_matrix.csv.gz: it is newer than small_matrix.csv. Unpack it: gunzip {packed}"
    ]
    aged(packed, -5)
    assert unread(raw, "small_matrix") == []
    assert find_file(raw, "small_matrix") == log
