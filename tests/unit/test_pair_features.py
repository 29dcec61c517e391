import numpy as np
import polars as pl
import pytest

from kraft import columns
from kraft.errors import InputError
from kraft.models.features import pairs as pair_rows
from kraft.models.features.feature_table import RowSequence
from kraft.models.features.pairs import PairRows
from kraft.models.watch_time.model import WatchTimeModel

N_ROWS, N_USERS, N_VIDEOS, RANK = 200, 30, 50, 3
GROUPS = (columns.WATCH_TIME, *columns.PAIR_FEATURE_GROUPS)
STORED = [name for names in columns.PAIR_FEATURE_GROUPS.values() for name in names]
COUNTS = ("user_count", "item_count", "num_categories", "daily_days")


def make_model():
    random = np.random.default_rng(8)
    means = [random.normal(size=(n, 1 + RANK)).astype(np.float32) for n in (N_USERS, N_VIDEOS)]
    variances = [random.uniform(0.1, 1, (n, 1 + RANK)).astype(np.float32) for n in (N_USERS, N_VIDEOS)]
    return WatchTimeModel(means[0], variances[0], means[1], variances[1], mean=1.5, noise=0.3)


MODEL = make_model()


def make_table():
    """Every stored feature with NULLs; unknown users and videos. Columns stand in no order of the features'."""
    random = np.random.default_rng(7)
    table = {}
    for name in sorted(STORED):
        values = random.integers(0, 90, N_ROWS) if name in COUNTS else random.normal(size=N_ROWS)
        table[name] = pl.Series(values).set(pl.Series(random.random(N_ROWS) < 0.2), None)
    table[columns.USER_INDEX] = random.integers(-1, N_USERS, N_ROWS).astype(np.int32)
    table[columns.VIDEO_INDEX] = random.integers(-1, N_VIDEOS, N_ROWS).astype(np.int32)
    table[columns.POSITIVE_INTERACTION] = random.random(N_ROWS) < 0.3
    # No row has a friend.
    return pl.DataFrame(table).with_columns(pl.lit(None).cast(pl.Float64).alias("friend_rate"))


TABLE = make_table()


def dense(without=()):
    """The whole matrix in the plainest way: pair by pair for the model, name by name for the rest."""
    lengths = TABLE[columns.LOG_DURATION].cast(pl.Float32).fill_null(np.nan).to_numpy()
    pairs = zip(TABLE[columns.USER_INDEX], TABLE[columns.VIDEO_INDEX], lengths, strict=True)
    said = [
        MODEL.features(np.array([user]), np.array([video]), np.array([length], dtype=np.float32))[0]
        for user, video, length in pairs
    ]
    modelled = dict(zip(columns.WATCH_TIME_FEATURES, np.array(said).T, strict=True))
    stored = {name: TABLE[name].cast(pl.Float32).fill_null(np.nan).to_numpy() for name in STORED}
    vectors = modelled | stored
    return np.array([vectors[name] for name in columns.pair_features(without)], dtype=np.float32).T


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for size in (1, 41, 5000):
        TABLE.write_parquet(folder / f"{size}.parquet", row_group_size=size)
    return folder


@pytest.fixture(params=[1, 41, 5000])
def rows(files, request):
    with PairRows(files / f"{request.param}.parquet", MODEL) as opened:
        yield opened


def test_the_kraft_preset_has_42_features_in_their_order(rows):
    assert rows.feature_names == columns.pair_features()
    assert len(rows.feature_names) == len(set(rows.feature_names)) == 42
    assert rows.feature_names[:8] == columns.WATCH_TIME_FEATURES
    assert rows.feature_names[8:10] == ("log_duration", "duration_rate")
    assert rows.feature_names[-1] == "friend_rate"


def test_all_rows_equal_the_plain_matrix_whatever_the_row_groups(rows):
    batch = rows.take(np.arange(N_ROWS))
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, dense(), rtol=1e-6, atol=1e-6, equal_nan=True)


def test_missing_values_are_nan(rows):
    batch = rows.take(np.arange(N_ROWS))
    for name in STORED:
        missing = np.isnan(batch[:, rows.feature_names.index(name)])
        np.testing.assert_array_equal(missing, TABLE[name].is_null().to_numpy(), err_msg=name)
    unknown_video = (TABLE[columns.VIDEO_INDEX] < 0).to_numpy()
    level = np.isnan(batch[:, rows.feature_names.index("video_level")])
    np.testing.assert_array_equal(level, unknown_video)
    margin = np.isnan(batch[:, rows.feature_names.index("margin")])
    np.testing.assert_array_equal(margin, unknown_video | TABLE[columns.LOG_DURATION].is_null().to_numpy())


@pytest.mark.parametrize("batch_rows", [1, 64, 5000])
def test_batches_equal_the_whole_whatever_their_size(rows, batch_rows):
    sequence = RowSequence(rows, np.arange(N_ROWS), batch_size=batch_rows)
    batches = [sequence[first : first + batch_rows] for first in range(0, N_ROWS, batch_rows)]
    np.testing.assert_array_equal(np.concatenate(batches), rows.take(np.arange(N_ROWS)))


def test_the_bits_do_not_depend_on_the_row_groups_or_on_what_the_model_is_asked_at_a_time(files, monkeypatch):
    found = []
    for size, modelled_rows in ((1, 8192), (41, 8192), (41, 10), (5000, 33)):
        monkeypatch.setattr(pair_rows, "MODELLED_ROWS", modelled_rows)
        with PairRows(files / f"{size}.parquet", MODEL) as rows:
            found.append(rows.take(np.arange(N_ROWS)))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_labels_are_those_of_the_table(rows):
    np.testing.assert_array_equal(rows.labels(), TABLE[columns.POSITIVE_INTERACTION].to_numpy())


@pytest.mark.parametrize("without", [*((group,) for group in GROUPS), ("daily", columns.WATCH_TIME), GROUPS[:-1]])
def test_groups_are_left_out(files, without):
    with PairRows(files / "41.parquet", MODEL, without) as rows:
        assert rows.feature_names == columns.pair_features(without)
        batch = rows.take(np.arange(N_ROWS))
    everything = columns.pair_features()
    kept = [everything.index(name) for name in rows.feature_names]
    np.testing.assert_allclose(batch, dense()[:, kept], rtol=1e-6, atol=1e-6, equal_nan=True)


def test_a_group_that_is_left_out_need_not_be_stored(tmp_path):
    path = tmp_path / "pairs.parquet"
    TABLE.drop(columns.PAIR_FEATURE_GROUPS["daily"]).write_parquet(path)
    with PairRows(path, MODEL, ["daily"]) as rows:
        assert len(rows.take(np.arange(3))[0]) == 34


@pytest.mark.parametrize("name", ["daily_like", columns.LOG_DURATION, columns.USER_INDEX, columns.VIDEO_INDEX])
def test_a_table_without_a_needed_column_is_refused(tmp_path, name):
    path = tmp_path / "pairs.parquet"
    TABLE.drop(name).write_parquet(path)
    with pytest.raises(InputError, match=rf"pairs\.parquet: column {name} is missing\n +Rebuild the table"):
        PairRows(path, MODEL)


@pytest.mark.parametrize("name", [columns.USER_INDEX, columns.VIDEO_INDEX])
def test_a_pair_without_its_key_is_refused(tmp_path, name):
    path = tmp_path / "pairs.parquet"
    TABLE.with_columns(pl.when(pl.int_range(pl.len()) != 5).then(pl.col(name)).alias(name)).write_parquet(path)
    with (
        PairRows(path, MODEL) as rows,
        pytest.raises(InputError, match=rf"column {name}: 1 values are missing in rows 0 to 199"),
    ):
        rows.take(np.arange(N_ROWS))


def test_a_table_without_rows_has_no_batches(tmp_path):
    TABLE.clear().write_parquet(tmp_path / "pairs.parquet")
    with PairRows(tmp_path / "pairs.parquet", MODEL) as rows:
        assert rows.take(np.arange(0)).shape == (0, 42)
