import json
import re
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.models.features.documented import FeatureRows
from kraft.models.ranker import training as ranker
from kraft.models.ranker.validation import random_rows
from kraft.models.ranker.validation_process import random_rows_apart
from kraft.stages.preset import PRESETS

N_ROWS, N_USERS, N_ITEMS, N_FACTORS = 3000, 40, 60, 4
SETTINGS = PRESETS["documented"].ranker.model_copy(
    update={"rounds": 15, "early_stopping": 5, "bin_construct_sample_cnt": 1000}
)
CODES = {"user_active_degree": ["UNKNOWN", "full_active", "high_active"]}


@pytest.fixture(scope="module")
def factors():
    random = np.random.default_rng(1)
    return tuple(random.normal(size=(n, N_FACTORS)).astype(np.float32) for n in (N_USERS, N_ITEMS))


@pytest.fixture(scope="module")
def table(tmp_path_factory, factors):
    random = np.random.default_rng(2)
    users, items = random.integers(0, N_USERS, N_ROWS), random.integers(0, N_ITEMS, N_ROWS)
    data = {name: random.integers(0, 5, N_ROWS).astype(np.int16) for name in columns.STORED_FEATURES}
    taste = (factors[0][users] * factors[1][items]).sum(axis=1) + 0.3 * data["onehot_feat3"]
    data |= {"user_index": users.astype(np.int32), "item_index": items.astype(np.int32)}
    data["positive_interaction"] = taste > random.normal(1, 1, N_ROWS)
    path = tmp_path_factory.mktemp("ranker") / "ranker_train.parquet"
    pq.write_table(pa.table(data), path, row_group_size=512)
    return path


def train(table, factors, settings=SETTINGS, threads=1):
    return ranker.train(
        FeatureRows(table, *factors),
        lambda labels: random_rows(labels, settings.validation_fraction, settings.seed),
        settings,
        threads=threads,
        progress=Progress(-1),
        category_codes=CODES,
    )


@pytest.fixture(scope="module")
def trained(table, factors):
    return train(table, factors)


@pytest.fixture
def saved(trained, tmp_path):
    trained.save(tmp_path)
    return tmp_path


@given(st.integers(20, 500), st.floats(0.1, 0.9), st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.7]), st.integers(0, 99))
@example(5001, 0.33, 0.2, 42)
@example(50, 0.5, 0.5, 42)  # both classes lack half a row: the lot decides
def test_validation_rows_are_those_of_scikit_learn(n, share, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.arange(n) < share * n)
    train_rows, validation = random_rows(labels, fraction, seed)
    expected = train_test_split(np.arange(n), test_size=fraction, random_state=seed, stratify=labels)
    np.testing.assert_array_equal(train_rows, np.sort(expected[0]))
    np.testing.assert_array_equal(validation, np.sort(expected[1]))


def test_both_parts_have_the_same_share_of_positives():
    labels = np.random.default_rng(3).random(5001) < 0.33
    train_rows, validation = random_rows(labels, 0.2, 42)
    assert abs(labels[train_rows].mean() - labels[validation].mean()) < 0.001


def test_the_documented_split_has_the_documented_sizes():
    labels = np.arange(3_741_256) % 3 == 0
    train_rows, validation = random_rows(labels, 0.2, 42)
    assert (len(train_rows), len(validation)) == (2_993_004, 748_252)
    # Those of scikit-learn 1.9: a version that draws other rows would change every result of the preset.
    assert [sha256(rows.tobytes()).hexdigest()[:16] for rows in (train_rows, validation)] == [
        "a77a3598968fe47c",
        "dc1e9de181e6b9fb",
    ]


def test_another_process_draws_the_same_rows():
    labels = np.random.default_rng(3).random(5003) < 0.33
    for here, there in zip(random_rows(labels, 0.2, 7), random_rows_apart(labels, 0.2, 7), strict=True):
        np.testing.assert_array_equal(here, there)
        assert here.dtype == there.dtype == np.int32


def test_another_process_refuses_too_few_rows_as_well():
    with pytest.raises(InputError, match="5 train rows, 2 of them positive"):
        random_rows_apart(np.arange(5) < 2, 0.2, 42)


@pytest.mark.parametrize(("rows", "positive"), [(10, 0), (100, 1), (100, 99), (100, 100), (5, 2)])
def test_too_few_rows_of_a_class_are_refused(rows, positive):
    labels = np.arange(rows) < positive
    with pytest.raises(InputError, match=rf"{rows} train rows, {positive} of them positive"):
        random_rows(labels, 0.2, 42)


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 5))
def test_every_row_is_in_one_part_and_both_parts_are_ascending(positive, others, seed):
    labels = np.arange(positive + others) < positive
    if 0.2 * len(labels) < 2:
        return
    split = random_rows(labels, 0.2, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate(split)), np.arange(len(labels)))
    assert all((np.diff(rows) > 0).all() for rows in split)


def test_parameters_are_the_settings_under_lightgbm_s_names():
    parameters = ranker.lightgbm_parameters(PRESETS["documented"].ranker, 2)
    assert parameters["max_bin"] == 128
    assert parameters["lambda_l1"] == parameters["lambda_l2"] == 0.1
    assert parameters["metric"] == ["auc"]
    assert parameters["num_threads"] == 2
    assert not {"rounds", "early_stopping", "validation", "validation_fraction"} & set(parameters)


def test_the_record_tells_what_was_done(trained):
    record = trained.record
    assert record.feature_names == list(columns.ranker_features(N_FACTORS)) == trained.booster.feature_name()
    assert (record.train_rows, record.validation_rows) == (2400, 600)
    assert 1 <= record.best_iteration <= record.rounds_run <= 15
    assert record.category_codes == CODES
    assert record.settings == SETTINGS
    assert set(record.versions) == {"lightgbm", "numpy", "scikit-learn"}


def test_the_recorded_auc_is_that_of_the_kept_trees_on_the_validation_rows(trained, table, factors):
    with FeatureRows(table, *factors) as features:
        labels = features.labels()
        rows = random_rows(labels, 0.2, 42).validation
        scores = trained.booster.predict(features.take(rows))
    assert trained.record.validation_auc == pytest.approx(roc_auc_score(labels[rows], scores), abs=1e-12)
    assert trained.record.validation_auc > 0.7


def test_the_record_keeps_the_learning_curve(table, factors):
    twice = SETTINGS.model_copy(update={"metric": ("binary_logloss", "auc")})
    record = train(table, factors, twice).record
    assert list(record.history) == ["binary_logloss", "auc"]
    assert {len(values) for values in record.history.values()} == {record.rounds_run}
    # The first metric chooses the round; the lower log loss is the better one.
    chosen, loss = record.best_iteration - 1, record.history["binary_logloss"]
    assert loss[chosen] == min(loss)
    assert record.history["auc"][chosen] == pytest.approx(record.validation_auc, abs=5e-7)
    assert all(round(value, ranker.HISTORY_DIGITS) == value for values in record.history.values() for value in values)


def test_early_stopping_keeps_the_best_round_only(table, factors):
    eager = SETTINGS.model_copy(update={"rounds": 200, "early_stopping": 2, "learning_rate": 0.9})
    stopped = train(table, factors, eager)
    assert stopped.record.rounds_run == stopped.record.best_iteration + 2 < 200
    assert stopped.booster.num_trees() == stopped.record.best_iteration


def test_categorical_features_are_split_by_category(trained):
    first_line = next(
        line for line in trained.booster.model_to_string().splitlines() if line.startswith("feature_infos")
    )
    kinds = first_line.removeprefix("feature_infos=").split(" ")
    assert all(re.fullmatch(r"-?\d+(:-?\d+)*", kind) for kind in kinds[:19])
    assert all(kind.startswith("[") for kind in kinds[19:])


def test_a_saved_ranker_comes_back_the_same(trained, saved, table, factors):
    loaded = ranker.load(saved)
    assert loaded.record == trained.record
    with FeatureRows(table, *factors) as features:
        batch = features.take(np.arange(100))
    np.testing.assert_array_equal(loaded.booster.predict(batch), trained.booster.predict(batch))
    assert {path.name for path in saved.iterdir()} == {"ranker.txt", "ranker.json"}


def test_a_folder_without_a_model_names_the_command(tmp_path):
    with pytest.raises(InputError, match=r"ranker\.txt: there is no such file\n.*jobs\.train"):
        ranker.load(tmp_path)


def edit(folder, **changes):
    path = folder / "ranker.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_with_a_wrong_value_is_refused(saved):
    edit(saved, best_iteration="many")
    with pytest.raises(InputError, match=r"ranker\.json, best_iteration: Input should be a valid integer"):
        ranker.load(saved)


def test_a_cut_record_is_refused(saved):
    (saved / "ranker.json").write_text("{")
    with pytest.raises(InputError, match=r"ranker\.json, the file: Invalid JSON"):
        ranker.load(saved)


def test_a_record_of_another_number_of_features_is_refused(saved):
    edit(saved, feature_names=columns.ranker_features(5))
    with pytest.raises(InputError, match=r"ranker\.txt: its features are not those that ranker\.json names"):
        ranker.load(saved)


def test_a_model_with_features_in_another_order_is_refused(saved):
    model = saved / "ranker.txt"
    text = model.read_text()
    model.write_text(
        text.replace("feature_names=user_active_degree onehot_feat0", "feature_names=onehot_feat0 user_active")
    )
    with pytest.raises(InputError, match=r"ranker\.txt: its features are not those that ranker\.json names"):
        ranker.load(saved)


def test_a_model_of_another_training_is_refused(saved, trained):
    edit(saved, best_iteration=trained.record.best_iteration + 1)
    with pytest.raises(InputError, match=r"ranker\.txt: \d+ trees; ranker\.json says \d+"):
        ranker.load(saved)


def test_a_damaged_model_is_refused(saved):
    (saved / "ranker.txt").write_text("no model")
    with pytest.raises(InputError, match=r"ranker\.txt: not a LightGBM model"):
        ranker.load(saved)


def test_lightgbm_s_remarks_stay_out_of_a_quiet_run(table, factors, capfd):
    train(table, factors)
    assert "LightGBM" not in "".join(capfd.readouterr())


def test_the_ranker_s_stage_does_without_libraries_that_it_has_no_room_for():
    used = (
        "kraft.stages.train_ranker",
        "kraft.models.ranker.training",
        "kraft.models.features.pairs",
        "kraft.models.ranker.validation",
    )
    code = f"import sys, {', '.join(used)}\nprint(*({{'polars', 'duckdb', 'pandas', 'sklearn'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_libraries_that_are_spared_can_be_loaded_afterwards():
    code = (
        "import kraft.models.ranker.training, sklearn.metrics; print(sklearn.metrics.roc_auc_score([0, 1], [0.1, 0.2]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1.0\n"


def test_edges_come_from_the_shared_sample_whatever_rows_are_binned(table, factors):
    parameters = ranker.lightgbm_parameters(SETTINGS, 1) | {"feature_pre_filter": False}
    with FeatureRows(table, *factors) as features:
        labels = features.labels()
        split = random_rows(labels, 0.2, 1)
        sample = features.take(split.train[:500])
        found = []
        for rows, shared in ((split.train, sample), (split.train[:100], sample), (split.train[:100], None)):
            part, _ = ranker.datasets(features, labels, split._replace(train=rows), parameters, sample=shared)
            assert part.num_data() == len(rows)
            found.append([part.feature_num_bin(feature) for feature in range(part.num_feature())])
    assert found[0] == found[1]
    assert found[0] != found[2]
