import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kraft import columns
from kraft.errors import InputError
from kraft.models.features.documented import FeatureRows
from kraft.models.features.feature_table import RowSequence

N_ROWS, N_USERS, N_ITEMS, N_FACTORS = 1000, 30, 50, 3


def make_table(n_rows=N_ROWS):
    random = np.random.default_rng(7)
    table = {name: random.integers(0, 200, n_rows).astype(np.int32) for name in columns.STORED_FEATURES}
    table[columns.USER_INDEX] = random.integers(-1, N_USERS, n_rows).astype(np.int32)
    table[columns.ITEM_INDEX] = random.integers(-1, N_ITEMS, n_rows).astype(np.int32)
    table[columns.POSITIVE_INTERACTION] = random.random(n_rows) < 0.3
    return pa.table(table)


def make_factors():
    random = np.random.default_rng(8)
    return tuple(random.normal(size=(n, N_FACTORS)).astype(np.float32) for n in (N_USERS, N_ITEMS))


def dense(table, factors):
    """The whole matrix in the plainest way: column by column, name by name."""
    vectors = []
    for name in columns.ranker_features(N_FACTORS):
        if "_factor_" in name:
            side, _, number = name.split("_")
            matrix = factors[("user", "item").index(side)]
            index = table[f"{side}_index"].to_pylist()
            vectors.append([0.0 if row < 0 else matrix[row, int(number)] for row in index])
        else:
            vectors.append(table[name].to_pylist())
    return np.array(vectors, dtype=np.float32).T


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    for size in (1, 97, 5000):
        pq.write_table(make_table(), folder / f"{size}.parquet", row_group_size=size)
    return folder


@pytest.fixture(params=[1, 97, 5000])
def rows(files, request):
    with FeatureRows(files / f"{request.param}.parquet", *make_factors()) as opened:
        yield opened


def test_the_documented_preset_has_157_features_in_the_documented_order():
    names = columns.ranker_features(64)
    assert len(names) == len(set(names)) == 157
    assert names[:2] == ("user_active_degree", "onehot_feat0")
    assert names[18:21] == ("onehot_feat17", "is_lowactive_period", "is_live_streamer")
    assert names[26:28] == ("num_categories", "user_factor_0")
    assert names[90:92] == ("user_factor_63", "item_factor_0")
    assert names[154:] == ("item_factor_63", "user_interaction_count", "item_interaction_count")


def test_all_rows_equal_the_plain_matrix_whatever_the_row_groups(rows):
    batch = rows.take(np.arange(N_ROWS))
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, dense(make_table(), make_factors()))


def test_labels_are_those_of_the_table(rows):
    np.testing.assert_array_equal(
        rows.labels(), make_table()[columns.POSITIVE_INTERACTION].to_numpy(zero_copy_only=False)
    )


@given(st.lists(st.integers(0, N_ROWS - 1)).map(sorted))
def test_any_ascending_rows_equal_the_plain_matrix(files, numbers):
    expected = dense(make_table(), make_factors())
    with FeatureRows(files / "97.parquet", *make_factors()) as rows:
        chosen = np.array(numbers, dtype=np.int32)
        np.testing.assert_array_equal(rows.take(chosen), expected[chosen])


def test_one_row_group_is_read_once_in_an_ascending_pass(files, monkeypatch):
    read = []
    real = FeatureRows.read

    def counted(self, number, names):
        read.append(number)
        return real(self, number, names)

    monkeypatch.setattr(FeatureRows, "read", counted)
    with FeatureRows(files / "97.parquet", *make_factors()) as rows:
        sequence = RowSequence(rows, np.arange(0, N_ROWS, 3, dtype=np.int32), batch_size=50)
        for row in range(len(sequence)):
            sequence[row]
        assert read == list(range(rows.row_groups))


def test_single_rows_are_float64_that_own_their_data_and_slices_are_float32(rows):
    sequence = RowSequence(rows, np.arange(10, 500, 7, dtype=np.int32), batch_size=20)
    expected = dense(make_table(), make_factors())[10:500:7]
    assert len(sequence) == len(expected)
    for number in (0, 1, 20, len(sequence) - 1):
        row = sequence[number]
        assert row.dtype == np.float64
        assert row.flags["OWNDATA"]
        np.testing.assert_array_equal(row, expected[number])
    assert sequence[5:25].dtype == np.float32
    np.testing.assert_array_equal(sequence[5:25], expected[5:25])
    np.testing.assert_array_equal(sequence[[2, 9]], expected[[2, 9]])


@pytest.mark.parametrize("row", [-1, N_ROWS])
def test_a_row_outside_the_table_is_refused(rows, row):
    with pytest.raises(IndexError, match=rf"row {row} of a table of 1000 rows"):
        rows.take(np.array([row]))


def test_descending_rows_are_refused(rows):
    with pytest.raises(ValueError, match="must be ascending"):
        rows.take(np.array([5, 4]))


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "ranker_train.parquet"
    pq.write_table(make_table(10).drop_columns(["register_days", "item_index"]), path)
    with pytest.raises(InputError, match=r"ranker_train\.parquet: column register_days, item_index is missing"):
        FeatureRows(path, *make_factors())


def test_a_table_without_labels_says_so(tmp_path):
    path = tmp_path / "ranker_test.parquet"
    pq.write_table(make_table(10).drop_columns([columns.POSITIVE_INTERACTION]), path)
    with (
        FeatureRows(path, *make_factors()) as rows,
        pytest.raises(InputError, match="column positive_interaction is missing"),
    ):
        rows.labels()


def test_a_missing_value_is_named_with_its_rows(tmp_path):
    path = tmp_path / "ranker_train.parquet"
    table = make_table(10)
    holed = pa.array([None, *range(9)], pa.int32())
    pq.write_table(table.set_column(table.schema.get_field_index("register_days"), "register_days", holed), path)
    with (
        FeatureRows(path, *make_factors()) as rows,
        pytest.raises(InputError, match="column register_days: 1 values are missing in rows 0 to 9"),
    ):
        rows.take(np.array([3]))


def test_factors_of_two_widths_are_refused(files):
    users, items = make_factors()
    with pytest.raises(InputError, match="user factors have 2 columns, item factors 3"):
        FeatureRows(files / "97.parquet", users[:, :2], items)


def test_an_empty_table_has_no_rows(tmp_path):
    path = tmp_path / "ranker_test.parquet"
    pq.write_table(make_table(0), path)
    with FeatureRows(path, *make_factors()) as rows:
        assert len(rows) == 0
        assert rows.take(np.array([], dtype=np.int32)).shape == (0, 29 + 2 * N_FACTORS)
