"""`python -m jobs.synthesize`, for real."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.slow

SEVEN = {
    "small_matrix",
    "big_matrix",
    "user_features",
    "item_categories",
    "item_daily_features",
    "social_network",
    "kuairec_caption_category",
}
REAL = Path(__file__).parents[3] / "shared" / "data" / "kuairec"


def synthesize(*arguments):
    command = [sys.executable, "-m", "jobs.synthesize", "--quiet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_synthetic_data_with_as_many_videos_as_kuairec_is_within_every_tolerance(tmp_path):
    done = synthesize("--to", tmp_path, "--users", 160, "--check", "--format", "parquet")
    assert done.returncode == 0, done.stdout
    assert " off" not in done.stdout
    verdicts = [line for line in done.stdout.splitlines() if line.endswith(" ok")]
    assert len(verdicts) > 40
    assert {path.stem for path in tmp_path.iterdir() if path.suffix != ".json"} == SEVEN


def test_synthetic_data_that_is_off_gives_exit_code_1(tmp_path):
    # So few users cannot show KuaiRec's unevenness.
    done = synthesize("--to", tmp_path, "--users", 10, "--items", 50, "--seed", 1, "--check")
    assert done.returncode == 1, done.stdout
    assert any(line.endswith(" off") for line in done.stdout.splitlines())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert synthesize("--to", tmp_path / name, "--users", 70, "--items", 60, "--seed", seed).returncode == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir() if path.suffix != ".json"}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir() if path.suffix != ".json"}
    assert files["small_matrix.csv"] != (tmp_path / "c" / "small_matrix.csv").read_bytes()


def test_scale_multiplies_users_and_rows(tmp_path):
    rows = {}
    for scale in (1, 3):
        to = tmp_path / str(scale)
        done = synthesize("--to", to, "--users", 40, "--items", 60, "--scale", scale, "--format", "parquet")
        assert done.returncode == 0, done.stderr
        log = pl.read_parquet(to / "small_matrix.parquet")
        assert log["user_id"].n_unique() == 40 * scale
        rows[scale] = len(log)
    assert rows[3] / rows[1] == pytest.approx(3, rel=0.01)


def test_csv_and_parquet_hold_the_same_log(tmp_path):
    for kind in ("csv", "parquet"):
        assert synthesize("--to", tmp_path / kind, "--users", 20, "--items", 60, "--format", kind).returncode == 0
    text = pl.read_csv(tmp_path / "csv" / "small_matrix.csv", try_parse_dates=True, infer_schema_length=None)
    typed = pl.read_parquet(tmp_path / "parquet" / "small_matrix.parquet")
    columns = ["user_id", "video_id", "play_duration", "timestamp", "watch_ratio", "date"]
    assert text.select(columns).cast(typed.select(columns).schema).equals(typed.select(columns))


def test_kuairecs_quirks_are_there(tmp_path):
    assert synthesize("--to", tmp_path, "--users", 80, "--items", 120).returncode == 0
    small = (tmp_path / "small_matrix.csv").read_text().splitlines()
    assert any(",20200810.0," in line for line in small)
    assert any(",,,," in line for line in small), "rows without time, date and timestamp"
    big = (tmp_path / "big_matrix.csv").read_text().splitlines()
    assert any(",20200810," in line for line in big)
    assert len(set(big)) < len(big), "exact duplicates"
    assert "\r" in (tmp_path / "kuairec_caption_category.csv").read_bytes().decode()
    users = pl.read_csv(tmp_path / "user_features.csv", infer_schema=False)
    assert users["onehot_feat4"].is_null().any()
    assert users["onehot_feat12"].drop_nulls().str.ends_with(".0").all()
    log = pl.read_csv(tmp_path / "small_matrix.csv", infer_schema_length=None)
    ids = log["user_id"].unique().sort()
    assert ids.to_list() != list(range(len(ids))), "a sparse subset of the users"
    null_timestamps = log.with_columns(pl.col("timestamp").is_null().alias("lost"), row=pl.int_range(pl.len()))
    last = null_timestamps.group_by("user_id").agg(
        timed_last=pl.col("row").filter(~pl.col("lost")).max(), lost_first=pl.col("row").filter("lost").min()
    )
    assert (last["lost_first"].drop_nulls() > last.drop_nulls()["timed_last"]).all()


def test_the_oracle_is_written_beside_the_seven_files_and_named(tmp_path):
    size = ("--users", 70, "--items", 60, "--scale", 2)
    plain = synthesize("--to", tmp_path / "plain", *size)
    done = synthesize("--to", tmp_path / "told", *size, "--with-oracle")
    assert done.returncode == 0, done.stderr
    assert "oracle.parquet" not in plain.stdout
    files = {path.name: path.read_bytes() for path in (tmp_path / "told").iterdir() if path.suffix != ".json"}
    oracle = pl.read_parquet(files.pop("oracle.parquet"))
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "plain").iterdir() if path.suffix != ".json"}
    log = pl.read_csv(tmp_path / "told" / "small_matrix.csv", infer_schema_length=None)
    assert oracle.select("user_id", "video_id").rows() == log.select("user_id", "video_id").rows()
    (line,) = [line for line in done.stdout.splitlines() if "oracle.parquet" in line]
    assert f" {len(log):,} rows " in line


def test_without_the_flag_an_oracle_that_is_there_is_refused(tmp_path):
    size = ("--to", tmp_path, "--users", 10, "--items", 50)
    assert synthesize(*size, "--with-oracle").returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    done = synthesize(*size, "--seed", 1)
    assert done.returncode == 2
    assert "oracle.parquet is there" in done.stderr
    assert "--with-oracle" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_asking_for_more_users_than_the_side_tables_know_is_refused(tmp_path):
    side = tmp_path / "side"
    assert synthesize("--to", side, "--users", 10, "--items", 50).returncode == 0
    (side / "small_matrix.csv").unlink()
    done = synthesize("--to", tmp_path / "synthetic", "--side-tables", side, "--users", 900, "--items", 50)
    assert done.returncode == 2
    assert "--users 900" in done.stderr
    assert not (tmp_path / "synthetic").exists()


@pytest.mark.skipif(not REAL.is_dir(), reason="KuaiRec's real side tables are not on this machine")
def test_real_side_tables_are_taken_as_they_are(tmp_path):
    done = synthesize("--to", tmp_path, "--side-tables", REAL, "--users", 30, "--items", 100)
    assert done.returncode == 0, done.stderr
    for stem in ("user_features", "item_categories", "kuairec_caption_category"):
        assert (tmp_path / f"{stem}.csv").read_bytes() == (REAL / f"{stem}.csv").read_bytes()
    assert {path.stem for path in tmp_path.iterdir() if path.suffix != ".json"} == SEVEN
