"""Score sets that any recommender should beat."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kraft.engine.sql.sources import Parquet
from kraft.errors import InputError
from kraft.evaluation.baselines import LEAST_SCORE, ScoreColumn, score_file, write_factor_scores

SQL = Path(__file__).parents[2] / "sql" / "evaluation"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "als"
    folder.mkdir()
    random = np.random.default_rng(1)
    np.save(folder / "user_ids.npy", np.array([3, 5, 9], dtype=np.int32))
    np.save(folder / "item_ids.npy", np.array([10, 20], dtype=np.int32))
    np.save(folder / "user_factors.npy", random.normal(size=(3, 5)).astype(np.float32))
    np.save(folder / "item_factors.npy", random.normal(size=(2, 5)).astype(np.float32))
    return folder


def write_pairs(path, users, items):
    pq.write_table(pa.table({"user_id": pa.array(users, pa.int32()), "item_id": pa.array(items, pa.int32())}), path)
    return path


def test_a_pair_scores_the_product_of_its_factors_and_least_without(model, tmp_path):
    users, items = [9, 3, 3, 4, 99, 3, 9], [20, 10, 20, 10, 10, 15, 30]
    write_factor_scores(model, write_pairs(tmp_path / "pairs.parquet", users, items), tmp_path / "scores.parquet")
    written = pq.read_table(tmp_path / "scores.parquet")
    assert written.schema.types == [pa.int32(), pa.int32(), pa.float64()]
    assert (written["user_id"].to_pylist(), written["item_id"].to_pylist()) == (users, items)
    user, item = np.load(model / "user_factors.npy"), np.load(model / "item_factors.npy")
    products = [user[2] @ item[1], user[0] @ item[0], user[0] @ item[1]]
    scores = written["score"].to_pylist()
    assert scores[:3] == pytest.approx(products, rel=1e-6)
    assert scores[3:] == [LEAST_SCORE] * 4


def test_scores_of_factors_do_not_depend_on_the_batches(model, tmp_path, monkeypatch):
    pairs = write_pairs(tmp_path / "pairs.parquet", [3, 5, 9] * 20, [10, 20] * 30)
    write_factor_scores(model, pairs, tmp_path / "whole.parquet")
    monkeypatch.setattr("kraft.evaluation.baselines.BATCH_ROWS", 7)
    write_factor_scores(model, pairs, tmp_path / "parts.parquet")
    assert pq.read_table(tmp_path / "parts.parquet") == pq.read_table(tmp_path / "whole.parquet")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("user_ids.npy", np.array([3, 5], dtype=np.int32), "one id a row of user_factors.npy"),
        ("item_ids.npy", np.array([20, 10], dtype=np.int32), "ascending"),
        ("item_factors.npy", None, "item_factors.npy"),
    ],
)
def test_a_damaged_model_is_an_error(model, tmp_path, name, content, reason):
    if content is None:
        (model / name).unlink()
    else:
        np.save(model / name, content)
    pairs = write_pairs(tmp_path / "pairs.parquet", [3], [10])
    with pytest.raises(InputError, match=reason):
        write_factor_scores(model, pairs, tmp_path / "scores.parquet")


def test_a_column_stands_for_the_scores(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"user_id": [1], "item_id": [2], "popularity": [0.5], "random": [0.25]}), path)
    with duckdb.connect() as connection:
        ScoreColumn(path, "random").register(connection, "scores")
        assert connection.execute("select * from scores").fetchall() == [(1, 2, 0.25)]
    assert ScoreColumn(path, "random").state() != ScoreColumn(path, "popularity").state()
    assert ScoreColumn(path, "random").state() != Parquet(path).state()


@pytest.mark.parametrize("name", ["absent.parquet", "nonsense.parquet", "other.parquet"])
def test_a_file_that_holds_no_scores_is_an_error_with_a_remedy(tmp_path, name):
    (tmp_path / "nonsense.parquet").write_bytes(b"nonsense")
    pq.write_table(pa.table({"user_id": [1], "item_id": [2]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=name) as caught:
        score_file(tmp_path / name)
    assert "user_id, item_id and score" in caught.value.remedy


def random_scores(users, items, threads=2):
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute(f"create table users as select unnest({users}) as user_id")
        connection.execute(f"create table items as select unnest({items}) as item_id")
        connection.execute("create table interactions_test as select * from users cross join items")
        connection.execute(
            "create table item_baselines as select item_id, 1 as popularity, 0.5::double as positive_rate, "
            "0.5::double as category_rate, -1 as shortness from items"
        )
        found = connection.execute((SQL / "baseline_scores.sql").read_text(encoding="utf-8")).fetchnumpy()
        return found["random"].reshape(len(users), len(items))


def test_random_scores_know_nothing_of_users_or_items():
    found = random_scores(list(range(0, 3000, 7)), list(range(0, 5000, 3))) / (2**31 - 1)
    assert 0 <= found.min() < found.max() < 1
    assert len(np.unique(found)) > 0.999 * found.size
    assert np.histogram(found, bins=20)[0] / found.size == pytest.approx([0.05] * 20, abs=0.002)
    noise = 5 / np.sqrt(found.shape[1])
    between = np.corrcoef(found)
    np.fill_diagonal(between, 0)
    assert np.abs(between).max() < 1.5 * noise
    steps = np.abs(np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1])
    assert steps < noise
    assert found.mean(axis=0).std() == pytest.approx(np.sqrt(1 / 12 / len(found)), rel=0.1)


def test_random_scores_of_a_pair_do_not_depend_on_the_others():
    assert (random_scores([9, 1, 5], [4, 2])[1:] == random_scores([5, 9], [2, 4], threads=1)).all()
