"""The ranker trained from streamed batches is the ranker trained from one matrix in memory, byte for byte."""

import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kraft import columns
from kraft.models.features.documented import FeatureRows
from kraft.models.ranker import training as ranker
from kraft.models.ranker.validation import random_rows
from kraft.stages.preset import PRESETS

N_ROWS, N_USERS, N_ITEMS, N_FACTORS = 20_000, 100, 300, 16
SETTINGS = PRESETS["documented"].ranker.model_copy(update={"rounds": 20, "bin_construct_sample_cnt": 5000})
CATEGORICAL = list(range(len(columns.CATEGORICAL_FEATURES)))


@pytest.fixture(scope="module")
def factors():
    random = np.random.default_rng(1)
    return tuple(random.normal(size=(n, N_FACTORS)).astype(np.float32) for n in (N_USERS, N_ITEMS))


@pytest.fixture(scope="module")
def data(factors):
    random = np.random.default_rng(2)
    users, items = random.integers(0, N_USERS, N_ROWS), random.integers(-1, N_ITEMS, N_ROWS)
    data = {name: random.integers(0, 40, N_ROWS).astype(np.int16) for name in columns.STORED_FEATURES}
    taste = (factors[0][users] * factors[1][items]).sum(axis=1) + 0.1 * data["onehot_feat3"]
    data |= {"user_index": users.astype(np.int32), "item_index": items.astype(np.int32)}
    data["positive_interaction"] = taste > random.normal(3, 2, N_ROWS)
    return pa.table(data)


def write(data, folder, row_group):
    path = folder / f"{row_group}.parquet"
    pq.write_table(data, path, row_group_size=row_group)
    return path


def boost(train_set, validation_set, threads):
    parameters = ranker.lightgbm_parameters(SETTINGS, threads)
    trained = lightgbm.train(parameters, train_set, SETTINGS.rounds, valid_sets=[validation_set])
    # The model's text ends with its parameters; the threads among them are what differs on purpose.
    return trained.model_to_string().replace(f"[num_threads: {threads}]", "[num_threads: any]")


def streamed(path, factors, *, batch_rows=4096, threads=1, dump=None):
    parameters = ranker.lightgbm_parameters(SETTINGS, threads)
    with FeatureRows(path, *factors) as features:
        labels = features.labels()
        split = random_rows(labels, SETTINGS.validation_fraction, SETTINGS.seed)
        sets = ranker.datasets(features, labels, split, parameters, batch_rows=batch_rows)
    if dump is not None:
        for name, dataset in zip(("train", "validation"), sets, strict=True):
            dataset._dump_text(dump / name)  # noqa: SLF001 - as LightGBM's own tests do
    return boost(*sets, threads)


@pytest.fixture(scope="module")
def reference(data, factors, tmp_path_factory):
    return streamed(write(data, tmp_path_factory.mktemp("reference"), 4000), factors)


def test_streamed_equals_the_matrix_in_memory(data, factors, tmp_path, reference):
    parameters = ranker.lightgbm_parameters(SETTINGS, 1)
    path = write(data, tmp_path, N_ROWS)
    with FeatureRows(path, *factors) as features:
        matrix, labels = features.take(np.arange(N_ROWS)), features.labels()
    rows = random_rows(labels, 0.2, 42)
    train_set = lightgbm.Dataset(
        matrix[rows.train],
        label=labels[rows.train],
        categorical_feature=CATEGORICAL,
        feature_name=list(columns.ranker_features(N_FACTORS)),
        params=parameters,
    )
    validation_set = lightgbm.Dataset(
        matrix[rows.validation],
        label=labels[rows.validation],
        reference=train_set,
        categorical_feature=CATEGORICAL,
        params=parameters,
    )
    dumped = tmp_path / "dense", tmp_path / "streamed"
    for folder in dumped:
        folder.mkdir()
    for name, dataset in (("train", train_set), ("validation", validation_set)):
        dataset.construct()._dump_text(dumped[0] / name)  # noqa: SLF001 - as above
    streamed(path, factors, dump=dumped[1])
    for name in ("train", "validation"):
        assert (dumped[0] / name).read_bytes() == (dumped[1] / name).read_bytes()
    assert boost(train_set, validation_set, 1) == reference


def test_the_model_does_not_depend_on_the_threads(data, factors, tmp_path, reference):
    assert streamed(write(data, tmp_path, 4000), factors, threads=2) == reference


@pytest.mark.parametrize("cut", [(333, 4096), (4000, 77), (N_ROWS, N_ROWS), (50, 1000)])
def test_the_model_does_not_depend_on_row_groups_or_batches(data, factors, tmp_path, reference, cut):
    row_group, batch_rows = cut
    assert streamed(write(data, tmp_path, row_group), factors, batch_rows=batch_rows) == reference


def test_rows_of_factors_that_are_memory_mapped_do_as_well(data, factors, tmp_path, reference):
    mapped = []
    for name, matrix in zip(("user", "item"), factors, strict=True):
        np.save(tmp_path / f"{name}.npy", matrix)
        mapped.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    assert streamed(write(data, tmp_path, 4000), mapped) == reference


TRAIN_IN_A_CHILD = """
import sys
from pathlib import Path
import numpy as np
from kraft.engine.process.progress import Progress
from kraft.models.ranker import training as ranker
from kraft.models.features.documented import FeatureRows
from kraft.models.ranker.validation import random_rows
from kraft.stages.preset import PRESETS

factors = [np.random.default_rng(1).normal(size=(300, 64)).astype(np.float32) for _ in range(2)]
settings = PRESETS["documented"].ranker.model_copy(update={"rounds": 2, "bin_construct_sample_cnt": 2000})
rows = FeatureRows(Path(sys.argv[1]), *factors)
ranker.train(rows, lambda y: random_rows(y, 0.2, 42), settings, threads=2, progress=Progress(-1), category_codes={})
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) * 1024)
"""


def peak_of_training(path, n_rows):
    """Peak bytes of a process that trains on n_rows x 157."""
    random = np.random.default_rng(3)
    data = {name: random.integers(0, 40, n_rows).astype(np.int16) for name in columns.STORED_FEATURES}
    data |= {name: random.integers(-1, 300, n_rows).astype(np.int32) for name in ("user_index", "item_index")}
    data["positive_interaction"] = random.random(n_rows) < 0.3
    pq.write_table(pa.table(data), path, row_group_size=16_384)
    child = subprocess.run(
        [sys.executable, "-c", TRAIN_IN_A_CHILD, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return int(child.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_grows_with_the_bins_not_with_the_matrix(tmp_path):
    few, many = 50_000, 350_000
    growth = peak_of_training(tmp_path / "many.parquet", many) - peak_of_training(tmp_path / "few.parquet", few)
    bins, matrix = 157, 157 * 4
    assert bins * 0.7 < growth / (many - few) < matrix * 0.55
