"""oracle.parquet: the true probabilities beside synthetic data."""

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from small_log import run_build

from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.logs.contracts import resolve
from kraft.logs.synthetic import generator as making
from kraft.logs.synthetic import interactions, synthesize
from kraft.stages.synthesize import Synthesize, synthesize_log

pytestmark = pytest.mark.slow

QUIET = Progress(-1)
SIZE = {"users": 150, "items": 200, "seed": 11}
"""Of three blocks of users."""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


def log_of(folder):
    path = next(folder.glob("small_matrix.*"))
    return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)


def oracle_of(folder):
    return pl.read_parquet(folder / "oracle.parquet")


def synthesize_and_tell(to, **options):
    """The summary, and the world that was drawn for the synthetic data."""
    worlds = []

    def make_world(*arguments, **more):
        worlds.append(draw(*arguments, **more))
        return worlds[-1]

    draw = making.make_world
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "make_world", make_world)
        summary = synthesize(to, **options, with_oracle=True, progress=QUIET)
    (world,) = worlds
    return summary, world


def assert_true_of(folder, world):
    """Each row of oracle.parquet is the pair of the log's row, with the world's own probability of it."""
    log, oracle = log_of(folder), oracle_of(folder)
    assert oracle.schema == {"user_id": pl.Int32, "video_id": pl.Int32, "probability": pl.Float64}
    assert oracle.select("user_id", "video_id").rows() == log.select("user_id", "video_id").rows()
    users = np.searchsorted(world.user_ids, log["user_id"].to_numpy()).astype(np.int32)
    items = np.searchsorted(world.item_ids, log["video_id"].to_numpy()).astype(np.int32)
    assert (world.user_ids[users] == log["user_id"].to_numpy()).all()
    assert (world.item_ids[items] == log["video_id"].to_numpy()).all()
    # To the last bit but for einsum, which may sum a block in another order than all rows.
    assert oracle["probability"].to_numpy() == pytest.approx(world.positive_probability(users, items), abs=1e-6)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    to = tmp_path_factory.mktemp("synthetic")
    summary, world = synthesize_and_tell(to, **SIZE)
    assert summary.rows["oracle"] == summary.rows["small_matrix"]
    return to, world


def test_each_row_of_small_matrix_has_its_own_probability(synthetic):
    to, world = synthetic
    assert 0.98 * 150 * 200 < len(oracle_of(to)) < 150 * 200, "some pairs were never observed"
    assert_true_of(to, world)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_any_format_scale_and_side_tables(tmp_path, file_format):
    side = tmp_path / "side"
    side.mkdir()
    # Ids that are not positions, and lengths that decide what is positive.
    pl.DataFrame({"user_id": [9_000 - 7 * number for number in range(170)]}).write_csv(side / "user_features.csv")
    pl.DataFrame({"video_id": [50 + 3 * number for number in range(90)], "date": 20_200_705}).with_columns(
        video_duration=3_000.0 + 10 * pl.col("video_id")
    ).write_parquet(side / "item_daily_features.parquet")
    to = tmp_path / "synthetic"
    summary, world = synthesize_and_tell(
        to, users=70, items=80, scale=2, seed=3, file_format=file_format, side_tables_from=side
    )
    assert set(summary.taken) == {"user_features", "item_daily_features"}
    assert oracle_of(to)["user_id"].n_unique() == 140
    assert_true_of(to, world)
    assert {path.name for path in to.glob("oracle*")} == {"oracle.parquet"}


def test_the_probabilities_are_calibrated(tmp_path):
    synthesize(tmp_path, users=300, items=400, seed=5, file_format="parquet", with_oracle=True, progress=QUIET)
    probability = oracle_of(tmp_path)["probability"].to_numpy()
    positive = (log_of(tmp_path)["watch_ratio"] >= 1.0).to_numpy()
    deciles = np.array_split(np.argsort(probability), 10)
    for rows in (np.arange(len(probability)), *deciles):
        expected = probability[rows]
        error = np.sqrt((expected * (1 - expected)).sum()) / len(rows)
        assert error < 0.005
        assert positive[rows].mean() == pytest.approx(expected.mean(), abs=4 * error)
    means = [probability[rows].mean() for rows in deciles]
    assert means[0] < 0.05, "the deciles tell something"
    assert means[-1] > 0.8


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_the_other_files_are_the_same_bytes_with_and_without(tmp_path, file_format):
    for name, with_oracle in (("with", True), ("without", False), ("again", True)):
        synthesize(tmp_path / name, **SIZE, scale=2, file_format=file_format, with_oracle=with_oracle, progress=QUIET)
    files = contents(tmp_path / "with")
    assert contents(tmp_path / "again") == files
    del files["oracle.parquet"]
    assert contents(tmp_path / "without") == files
    assert len(files) == 7


def test_it_is_written_in_the_blocks_of_small_matrix(tmp_path):
    synthesize(tmp_path, **SIZE, file_format="parquet", with_oracle=True, progress=QUIET)
    groups = {}
    for stem in ("small_matrix", "oracle"):
        with pq.ParquetFile(tmp_path / f"{stem}.parquet") as file:
            groups[stem] = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert len(groups["oracle"]) == -(-SIZE["users"] // interactions.SMALL_BLOCK_USERS) == 3
    assert groups["oracle"] == groups["small_matrix"]


def test_an_oracle_of_other_synthetic_data_is_refused_and_nothing_written(tmp_path):
    synthesize(tmp_path, **SIZE, with_oracle=True, progress=QUIET)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"oracle\.parquet is there") as refused:
        synthesize(tmp_path, users=10, items=50, progress=QUIET)
    assert "--with-oracle" in str(refused.value)
    assert contents(tmp_path) == before
    _, world = synthesize_and_tell(tmp_path, users=10, items=50)
    assert_true_of(tmp_path, world)


def test_a_refused_run_keeps_the_oracle(tmp_path):
    synthesize(tmp_path, users=10, items=50, with_oracle=True, progress=QUIET)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"\.csv is there"):
        synthesize(tmp_path, users=10, items=50, file_format="parquet", with_oracle=True, progress=QUIET)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("fails_in", ["big_matrix", "oracle"])
def test_an_interrupted_run_leaves_no_oracle_whether_old_or_half(tmp_path, monkeypatch, fails_in):
    synthesize(tmp_path, users=10, items=50, with_oracle=True, progress=QUIET)

    def broken(*arguments):
        yield from list(made(*arguments))[:1]
        raise OSError("disk full")

    made = getattr(making, fails_in)
    monkeypatch.setattr(making, fails_in, broken)
    with pytest.raises(OSError, match="disk full"):
        synthesize(tmp_path, users=10, items=50, seed=2, with_oracle=True, progress=QUIET)
    assert not [path for path in tmp_path.iterdir() if "oracle" in path.name]


def test_the_stage_takes_the_option(tmp_path):
    done = synthesize_log(Synthesize(to=tmp_path / "a", users=10, items=50, with_oracle=True))
    assert done.rows["oracle"] == len(oracle_of(tmp_path / "a")) == done.rows["small_matrix"]
    synthesize_log(Synthesize(to=tmp_path / "b", users=10, items=50, with_oracle=False))
    assert not (tmp_path / "b" / "oracle.parquet").exists()


def test_no_table_is_made_of_it(tmp_path):
    raw = tmp_path / "raw"
    synthesize(raw, users=20, items=60, with_oracle=True, progress=QUIET)
    inputs, extras = resolve(raw, "small")
    assert len(inputs) + len(extras) == 6
    assert not any("oracle" in file.path.name for file in (*inputs.values(), *extras.values()))
    run_build(raw, tmp_path / "with")
    (raw / "oracle.parquet").unlink()
    run_build(raw, tmp_path / "without")
    tables = contents(tmp_path / "with" / "tables")
    assert len(tables) > 5
    assert contents(tmp_path / "without" / "tables") == tables
    assert run_build(raw, tmp_path / "with")["built"] == {}, "its absence changes no fingerprint"
