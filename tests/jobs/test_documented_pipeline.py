"""The `documented` preset from raw files to metrics, run for real, against the plain computation of `reference`."""

import json

import duckdb
import lightgbm
import numpy as np
import polars as pl
import pytest
from commands import run
from implicit.als import AlternatingLeastSquares
from reference import Reference, auc, ranking_metrics
from scipy.sparse import csr_matrix
from sklearn.model_selection import train_test_split

pytestmark = pytest.mark.slow

ROUNDS = 40
CUTOFFS = (10, 20, 50, 100, 500, 1000)


@pytest.fixture(scope="module", params=["small", "big"])
def finished(request, tmp_path_factory):
    """A folder in which synthetic data was built, trained, scored and evaluated; and what should have come out."""
    folder = tmp_path_factory.mktemp("documented")
    made = run("synthesize", "--to", "raw", "--users", 60, "--items", 120, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    options = ["--raw", "raw", "--matrix", request.param, "--preset", "documented", "--rounds", ROUNDS]
    options += ["--als-solver", "implicit"]
    scored = run("score", "--out", "submission.parquet", *options, cwd=folder)
    assert scored.returncode == 0, scored.stderr
    evaluated = run("evaluate", *options, cwd=folder)
    assert evaluated.returncode == 0, evaluated.stderr
    return folder, Reference(folder / "raw", f"{request.param}_matrix.csv"), evaluated.stdout


def table(folder, name):
    return pl.read_parquet(folder / "work" / "tables" / f"{name}.parquet")


def test_every_table_equals_the_plain_computation(finished):
    folder, reference, _ = finished
    train = [(row[1], row[2], liked) for row, liked in zip(reference.train, reference.positive, strict=True)]
    columns = ("user_id", "item_id", "positive_interaction")
    assert table(folder, "interactions").height == len(reference.log)
    assert table(folder, "interactions_train").select(columns).rows() == train
    assert table(folder, "interactions_test").select(columns).rows() == [
        (*pair, any(liked)) for pair, liked in sorted(reference.pairs.items())
    ]
    assert table(folder, "test_positives").rows() == sorted(reference.truth)
    assert table(folder, "sample_submission").rows() == [(*pair, 0.5) for pair in sorted(reference.pairs)]
    assert table(folder, "split").select("n", "cut_index").row(0) == (len(reference.log), reference.cut)
    assert table(folder, "user_index").rows() == [(user, row) for user, row in reference.user_row.items()]
    assert table(folder, "item_index").rows() == [(item, row) for item, row in reference.item_row.items()]
    assert table(folder, "user_counts").rows() == [(u, *reference.user_counts[u]) for u in reference.users]
    assert table(folder, "item_counts").rows() == [(i, *reference.item_counts[i]) for i in reference.items]


@pytest.mark.parametrize("name", ["ranker_train", "ranker_test"])
def test_ranker_rows_equal_the_plain_computation(finished, name):
    folder, reference, _ = finished
    frame = table(folder, name)
    pairs = [(row[1], row[2]) for row in reference.train] if name == "ranker_train" else sorted(reference.pairs)
    assert frame.select("user_id", "item_id").rows() == pairs
    features = frame.drop("user_id", "item_id", "positive_interaction", strict=False)
    names = json.loads((folder / "work/models/ranker_documented/ranker.json").read_text())["feature_names"]
    stored = [feature for feature in names if "_factor_" not in feature]
    for row, pair in zip(features.select(stored).rows(), pairs, strict=True):
        lead, counts = reference.stored_features(*pair)
        assert list(row) == [*lead, *counts]


def test_the_factors_are_implicits_own(finished):
    folder, reference, _ = finished
    dense = reference.matrix()
    user, item = np.nonzero(~np.isnan(dense))
    matrix = csr_matrix((dense[user, item].astype(np.float32), (user, item)), shape=dense.shape)
    model = AlternatingLeastSquares(factors=64, regularization=0.01, iterations=20, random_state=42)
    model.fit(matrix, show_progress=False)
    models = folder / "work/models/als_documented"
    assert np.array_equal(np.load(models / "user_factors.npy"), model.user_factors)
    assert np.array_equal(np.load(models / "item_factors.npy"), model.item_factors)
    assert np.load(models / "user_ids.npy").tolist() == reference.users
    assert np.load(models / "item_ids.npy").tolist() == reference.items


def test_scores_equal_those_of_lightgbm_in_memory(finished):
    folder, reference, _ = finished
    user_factors = np.load(folder / "work/models/als_documented/user_factors.npy")
    item_factors = np.load(folder / "work/models/als_documented/item_factors.npy")
    features = reference.features([(row[1], row[2]) for row in reference.train], user_factors, item_factors)
    labels = np.array(reference.positive, dtype=np.float32)
    train, validation = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=42, stratify=labels)
    train, validation = np.sort(train), np.sort(validation)
    parameters = {
        "objective": "binary",
        "metric": "auc",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "max_bin": 128,
        "feature_fraction": 0.8,
        "lambda_l1": 0.1,
        "lambda_l2": 0.1,
        "seed": 42,
        "bin_construct_sample_cnt": 50_000,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    categories = list(range(19))
    train_set = lightgbm.Dataset(features[train], labels[train], categorical_feature=categories, params=parameters)
    validation_set = lightgbm.Dataset(
        features[validation], labels[validation], reference=train_set, categorical_feature=categories, params=parameters
    )
    booster = lightgbm.train(
        parameters,
        train_set,
        ROUNDS,
        valid_sets=[validation_set],
        callbacks=[lightgbm.early_stopping(50, verbose=False)],
    )
    pairs = sorted(reference.pairs)
    expected = booster.predict(reference.features(pairs, user_factors, item_factors))
    submission = pl.read_parquet(folder / "submission.parquet")
    assert submission.columns == ["user_id", "item_id", "score"]
    assert submission.select("user_id", "item_id").rows() == pairs
    np.testing.assert_allclose(submission["score"].to_numpy(), expected, rtol=0, atol=1e-12)


def test_metrics_equal_the_plain_computation(finished):
    folder, reference, printed = finished
    submission = pl.read_parquet(folder / "submission.parquet")
    scores = {(user, item): score for user, item, score in submission.rows()}
    report = json.loads((folder / "work" / "evaluation.json").read_text())
    for k, (precision, recall, ndcg) in ranking_metrics(scores, reference.truth, CUTOFFS).items():
        assert report["metrics"]["precision"][str(k)] == pytest.approx(precision, abs=1e-9)
        assert report["metrics"]["recall"][str(k)] == pytest.approx(recall, abs=1e-9)
        assert report["metrics"]["ndcg"][str(k)] == pytest.approx(ndcg, abs=1e-9)
    assert report["auc"]["all"]["auc"] == pytest.approx(auc(scores, reference.truth), abs=1e-9)
    assert f"{report['metrics']['ndcg']['10']:.4f}" in printed


def test_the_catalog_answers_from_anywhere(finished, tmp_path, monkeypatch):
    folder, reference, _ = finished
    monkeypatch.chdir(tmp_path)
    with duckdb.connect(str(folder / "work" / "kraft.duckdb"), read_only=True) as catalog:
        assert catalog.execute("select count(*) from item_counts").fetchall() == [(len(reference.items),)]
        assert catalog.execute("select count(*) from scores_documented").fetchall() == [(len(reference.pairs),)]
        uncommented = catalog.execute(
            "select table_name, column_name from duckdb_columns() where comment is null and not internal"
        ).fetchall()
        assert uncommented == []
