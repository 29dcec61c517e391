"""The calibration finds what is wrong with synthetic data."""

import polars as pl
import pytest

from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.logs.synthetic import synthesize
from kraft.logs.synthetic.calibration import calibrate
from kraft.settings import MIB

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    to = tmp_path_factory.mktemp("synthetic")
    synthesize(to, users=200, items=500, seed=3, file_format="parquet", progress=Progress(-1))
    return to


def off(synthetic, scratch):
    statistics = calibrate(synthetic, scratch, Budget(512 * MIB), 2)
    return {statistic.name for statistic in statistics if not statistic.ok}


def spoil(synthetic, to, stem, spoiled):
    to.mkdir()
    for path in synthetic.iterdir():
        (to / path.name).symlink_to(path)
    (to / f"{stem}.parquet").unlink()
    spoiled(pl.read_parquet(synthetic / f"{stem}.parquet")).write_parquet(to / f"{stem}.parquet")
    return to


def test_synthetic_data_of_moderate_size_is_within_every_tolerance(synthetic, tmp_path):
    assert off(synthetic, tmp_path) == set()


@pytest.mark.parametrize(
    ("stem", "spoiled", "names"),
    [
        (
            "small_matrix",
            lambda log: log.with_columns(pl.col("play_duration") * 13 // 10).with_columns(
                watch_ratio=pl.col("play_duration") / pl.col("video_duration")
            ),
            {"watch_ratio >= 1, share", "watch_ratio, quantile 0.5", "train: positive share"},
        ),
        (
            "small_matrix",
            lambda log: log.sort("user_id", "timestamp", nulls_last=False),
            {"timed rows after an untimed one of their user"},
        ),
        (
            "big_matrix",
            lambda log: pl.concat([log, log.head(30_000)]),
            {"big_matrix: exact duplicates, share", "big_matrix: rows a user"},
        ),
        (
            "item_daily_features",
            lambda daily: daily.unique(["video_id", "date"]),
            {"daily rows that share their key, share", "daily rows a video"},
        ),
    ],
    ids=["ratios", "order", "copies", "keys"],
)
def test_spoiled_synthetic_data_is_off(synthetic, tmp_path, stem, spoiled, names):
    assert names <= off(spoil(synthetic, tmp_path / "synthetic", stem, spoiled), tmp_path / "scratch")


def test_a_pair_of_small_matrix_in_big_matrix_is_found(synthetic, tmp_path):
    pair = pl.read_parquet(synthetic / "small_matrix.parquet").head(1).with_columns(pl.col("date").cast(pl.Int32))
    spoiled = spoil(synthetic, tmp_path / "synthetic", "big_matrix", lambda log: pl.concat([log, pair]))
    assert off(spoiled, tmp_path / "scratch") == {"big_matrix: pairs of small_matrix"}
