import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.models.features.documented import FeatureRows
from kraft.models.ranker import scoring
from kraft.models.ranker import training as ranker
from kraft.models.ranker.validation import random_rows
from kraft.stages.preset import PRESETS

N_ROWS, N_USERS, N_ITEMS, N_FACTORS = 2000, 20, 30, 2


def make_table(n_rows, seed):
    random = np.random.default_rng(seed)
    data = {name: random.integers(0, 9, n_rows).astype(np.int16) for name in columns.STORED_FEATURES}
    data[columns.USER_ID] = np.sort(random.integers(0, 7176, n_rows)).astype(np.int32)
    data[columns.ITEM_ID] = random.integers(0, 3327, n_rows).astype(np.int32)
    data[columns.USER_INDEX] = random.integers(-1, N_USERS, n_rows).astype(np.int32)
    data[columns.ITEM_INDEX] = random.integers(-1, N_ITEMS, n_rows).astype(np.int32)
    return pa.table(data)


@pytest.fixture(scope="module")
def factors():
    random = np.random.default_rng(1)
    return tuple(random.normal(size=(n, N_FACTORS)).astype(np.float32) for n in (N_USERS, N_ITEMS))


@pytest.fixture(scope="module")
def model(tmp_path_factory, factors):
    folder = tmp_path_factory.mktemp("model")
    table = make_table(N_ROWS, 2)
    label = pa.array(table["register_days"].to_numpy() + table["user_index"].to_numpy() > 14)
    pq.write_table(table.append_column("positive_interaction", label), folder / "ranker_train.parquet")
    settings = PRESETS["documented"].ranker.model_copy(update={"rounds": 8, "bin_construct_sample_cnt": 500})
    return ranker.train(
        FeatureRows(folder / "ranker_train.parquet", *factors),
        lambda labels: random_rows(labels, settings.validation_fraction, settings.seed),
        settings,
        threads=1,
        progress=Progress(-1),
        category_codes={},
    )


def score(table, factors, model, target, threads=1):
    with FeatureRows(table, *factors) as rows:
        return scoring.score(rows, model, target, threads=threads, progress=Progress(-1))


@pytest.mark.parametrize("cut", [(1, 128), (300, 1), (300, 128), (5000, 128), (300, 16384)])
def test_scores_equal_one_prediction_of_everything(tmp_path, factors, model, monkeypatch, cut):
    row_group, batch = cut
    n_rows = 60 if 1 in (row_group, batch) else N_ROWS
    asked = make_table(n_rows, 3)
    pq.write_table(asked, tmp_path / "ranker_test.parquet", row_group_size=row_group)
    monkeypatch.setattr(scoring, "BATCH_ROWS", batch)
    written = score(tmp_path / "ranker_test.parquet", factors, model, tmp_path / "scores.parquet", threads=2)
    scores = pq.read_table(tmp_path / "scores.parquet")
    with FeatureRows(tmp_path / "ranker_test.parquet", *factors) as features:
        expected = model.booster.predict(features.take(np.arange(n_rows)), num_threads=1)
    assert written == scores.num_rows == n_rows
    assert scores[columns.USER_ID].equals(asked[columns.USER_ID])
    assert scores[columns.ITEM_ID].equals(asked[columns.ITEM_ID])
    np.testing.assert_array_equal(scores[columns.SCORE].to_numpy(), expected)
    assert len(set(expected)) > 10


def test_the_file_has_the_promised_types_and_the_row_groups_of_its_source(tmp_path, factors, model):
    pq.write_table(make_table(N_ROWS, 3), tmp_path / "ranker_test.parquet", row_group_size=700)
    score(tmp_path / "ranker_test.parquet", factors, model, tmp_path / "scores.parquet")
    file = pq.ParquetFile(tmp_path / "scores.parquet")
    assert file.schema_arrow.names == ["user_id", "item_id", "score"]
    assert file.schema_arrow.types == [pa.int32(), pa.int32(), pa.float64()]
    assert [file.metadata.row_group(number).num_rows for number in range(3)] == [700, 700, 600]


def test_no_rows_make_a_readable_file_without_rows(tmp_path, factors, model):
    pq.write_table(make_table(0, 3), tmp_path / "ranker_test.parquet")
    assert score(tmp_path / "ranker_test.parquet", factors, model, tmp_path / "scores.parquet") == 0
    assert pq.read_table(tmp_path / "scores.parquet").schema.equals(scoring.SCORES_SCHEMA)


def test_factors_of_another_width_than_the_model_s_are_refused(tmp_path, factors, model):
    pq.write_table(make_table(10, 3), tmp_path / "ranker_test.parquet")
    narrower = tuple(matrix[:, :1] for matrix in factors)
    with pytest.raises(InputError, match="the ranker was trained on 33 features, these rows have 31 or others"):
        score(tmp_path / "ranker_test.parquet", narrower, model, tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()


def test_a_table_without_ids_is_refused(tmp_path, factors, model):
    pq.write_table(make_table(10, 3).drop_columns(["user_id"]), tmp_path / "ranker_test.parquet")
    with pytest.raises(InputError, match="column user_id is missing"):
        score(tmp_path / "ranker_test.parquet", factors, model, tmp_path / "scores.parquet")
