"""The ranker: a LightGBM classifier trained on rows that are never all in memory.

LightGBM bins every value to one byte, so its Dataset of 2,993,004 x 157 takes 470 MB where the float32
matrix takes 1.9 GB. It is filled through `lightgbm.Sequence`: a sample of single rows places the bins'
edges, then batch after batch is pushed and forgotten. The trees are the same, byte for byte, as those of
the in-memory matrix.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
import numpy.typing as npt
import sklearn
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.model_selection import train_test_split

from kraft import columns
from kraft.engine.progress import Progress
from kraft.errors import InputError
from kraft.models.features import BATCH_ROWS, FeatureRows, FloatMatrix, RowSequence
from kraft.settings import RankerSettings

MODEL_FILE, RECORD_FILE = "ranker.txt", "ranker.json"

CategoryCodes = Mapping[str, list[str]]
"""For a categorical feature, its values in the order of their codes."""


class RankerRecord(BaseModel):
    """What `ranker.json` says of the model in `ranker.txt`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: list[str]
    n_factors: int
    category_codes: dict[str, list[str]]
    settings: RankerSettings
    versions: dict[str, str]
    best_iteration: int
    """Trees in the model: the round with the best validation AUC."""
    rounds_run: int
    validation_auc: float
    """AUC of the validation rows at best_iteration. Optimistic: they are random rows of the train period, and
    the factors have seen their labels."""
    train_rows: int
    validation_rows: int
    dataset_seconds: float
    """Binning both datasets, with the split."""
    train_seconds: float
    seconds_a_round: float


class TrainedRanker(NamedTuple):
    """A LightGBM model and what is known of it."""

    booster: lightgbm.Booster
    record: RankerRecord

    def save(self, folder: Path) -> None:
        """Write ranker.txt (LightGBM's own text) and ranker.json into ``folder``, which exists.

        The record is written last, so that a folder with a record has a whole model.
        """
        self.booster.save_model(folder / MODEL_FILE)
        (folder / RECORD_FILE).write_text(self.record.model_dump_json(indent=2) + "\n", encoding="utf-8")


class SplitRows(NamedTuple):
    """Row numbers of both parts, int32, each ascending."""

    train: npt.NDArray[np.int32]
    validation: npt.NDArray[np.int32]


def validation_rows(labels: npt.NDArray[np.bool_], fraction: float, seed: int) -> SplitRows:
    """Draw validation rows at random, positives and others in the same proportion in both parts.

    Args:
        labels: bool, shape (n_rows,).
        fraction: share of validation rows, between 0 and 1 (preset seed: 0.2).
        seed: scikit-learn's random_state (preset seed: 42).

    Raises:
        InputError: a class has fewer than two rows, or the validation part would have.

    The very rows that scikit-learn's `train_test_split(np.arange(n), stratify=labels)` draws,
    but sorted: ascending numbers make every pass over the table a sequential read, and what the rows can
    teach depends on their set, not on their order.
    """
    n_rows, n_positive = len(labels), int(np.count_nonzero(labels))
    if min(n_positive, n_rows - n_positive) < 2 or min(fraction, 1 - fraction) * n_rows < 2:  # noqa: PLR2004
        raise InputError(
            f"{n_rows:,} train rows, {n_positive:,} of them positive, are too few to train a ranker and to "
            f"validate it on {fraction:.0%} of them",
            "It needs positive and other interactions in the train period.",
        )
    train, validation = train_test_split(
        np.arange(n_rows, dtype=np.int32), test_size=fraction, random_state=seed, stratify=labels
    )
    train.sort()
    validation.sort()
    return SplitRows(train, validation)


def lightgbm_parameters(settings: RankerSettings, threads: int) -> dict[str, Any]:
    """LightGBM's parameters for ``settings``: binary objective, AUC, and what makes a run repeatable."""
    return {
        **settings.model_dump(exclude={"rounds", "early_stopping", "validation_fraction"}),
        "objective": "binary",
        "metric": "auc",
        # A Sequence's sample is drawn with this one alone, a matrix's sample with seed's derivate.
        "data_random_seed": settings.seed,
        # Row-wise histograms keep a second copy of the bins: 1.9 GiB instead of 1.05.
        "force_col_wise": True,
        "deterministic": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def datasets(
    features: FeatureRows,
    labels: npt.NDArray[np.bool_],
    split: SplitRows,
    parameters: dict[str, Any],
    *,
    advance: Callable[[int], None] = lambda _: None,
    batch_rows: int = BATCH_ROWS,
) -> tuple[lightgbm.Dataset, lightgbm.Dataset]:
    """Bin the train rows, then the validation rows with the same edges. Both datasets are constructed.

    Args:
        features: the train table.
        labels: bool, shape (len(features),).
        split: which rows are train rows, which validation rows.
        parameters: from `lightgbm_parameters`.
        advance: called with the number of rows of each batch.
        batch_rows: rows pushed at a time.
    """
    built: list[lightgbm.Dataset] = []
    for rows in split:
        dataset = lightgbm.Dataset(
            RowSequence(features, rows, batch_rows, advance),
            label=labels[rows].astype(np.float32),
            reference=built[0] if built else None,
            feature_name=list(features.feature_names),
            # By index: given by name, 4.7.0 does not find them in a dataset with a reference.
            categorical_feature=list(range(len(columns.CATEGORICAL_FEATURES))),
            params=dict(parameters),
        )
        built.append(dataset.construct())
        # LightGBM has copied the labels; the Python object would keep 4 bytes a row more until the end.
        dataset.label = None
    return built[0], built[1]


def train(
    table: Path,
    user_factors: FloatMatrix,
    item_factors: FloatMatrix,
    settings: RankerSettings,
    *,
    threads: int,
    progress: Progress,
    category_codes: CategoryCodes,
) -> TrainedRanker:
    """Train the ranker on a ranker table with labels.

    Args:
        table: `ranker_train` as Parquet, in row groups of about 65,536 rows.
        user_factors: float32, shape (n_users, n_factors); may be memory-mapped.
        item_factors: float32, shape (n_items, n_factors); may be memory-mapped.
        settings: LightGBM's parameters and how validation rows are drawn.
        threads: threads of LightGBM; the model does not depend on them.
        progress: where to report to.
        category_codes: values of the categorical features in the order of their codes; kept in the record.

    Returns:
        The model cut at the round with the best validation AUC, and its record.

    Raises:
        InputError: the table lacks a column or a label, or has too few rows of a class.

    Resident at most (2,993,004 + 748,252 rows x 157): about 620 MB of bins and scores beside the libraries.
    """
    started = time.monotonic()
    lightgbm.register_logger(_Log(progress))
    parameters = lightgbm_parameters(settings, threads)
    with FeatureRows(table, user_factors, item_factors) as features:
        labels = features.labels()
        split = validation_rows(labels, settings.validation_fraction, settings.seed)
        n_train, n_validation = len(split.train), len(split.validation)
        with progress.task("bin features", len(features)) as task:
            train_set, validation_set = datasets(features, labels, split, parameters, advance=task.advance)
        names, n_factors = list(features.feature_names), features.n_factors
    del labels, split
    binned = time.monotonic()
    rounds_run = 0
    with progress.task("train ranker", settings.rounds, "rounds") as task:

        def report(environment: lightgbm.callback.CallbackEnv) -> None:
            nonlocal rounds_run
            rounds_run += 1
            for result in environment.evaluation_result_list or ():
                task.note(f"validation AUC {result[2]:.4f}")
            task.advance()

        booster = lightgbm.train(
            parameters,
            train_set,
            num_boost_round=settings.rounds,
            valid_sets=[validation_set],
            valid_names=["validation"],
            callbacks=[
                report,
                lightgbm.early_stopping(settings.early_stopping, verbose=False),
            ],
        )
    seconds = time.monotonic() - binned
    record = RankerRecord(
        feature_names=names,
        n_factors=n_factors,
        category_codes=dict(category_codes),
        settings=settings,
        versions={module.__name__: module.__version__ for module in (lightgbm, np, sklearn)},
        best_iteration=booster.best_iteration,
        rounds_run=rounds_run,
        validation_auc=booster.best_score["validation"]["auc"],
        train_rows=n_train,
        validation_rows=n_validation,
        dataset_seconds=round(binned - started, 3),
        train_seconds=round(seconds, 3),
        seconds_a_round=round(seconds / rounds_run, 5),
    )
    return TrainedRanker(booster, record)


class _Log:
    """Keeps LightGBM's remarks (a small sample, a category of many values) for those who ask for details."""

    def __init__(self, progress: Progress) -> None:
        self.info = self.warning = lambda text: progress.detail(f"LightGBM: {text}")


def load(folder: Path) -> TrainedRanker:
    """The ranker that `TrainedRanker.save` wrote to ``folder``.

    Raises:
        InputError: a file is missing or damaged, or the two files do not belong together.
    """
    again = "Train again with python -m jobs.train --force."
    model, record_file = folder / MODEL_FILE, folder / RECORD_FILE
    for path in (model, record_file):
        if not path.is_file():
            raise InputError(f"{path}: there is no such file", "Train first: python -m jobs.train.")
    try:
        record = RankerRecord.model_validate_json(record_file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{record_file}, {where}: {first['msg']}", again) from error
    try:
        booster = lightgbm.Booster(model_file=model)
    except lightgbm.basic.LightGBMError as error:
        raise InputError(f"{model}: not a LightGBM model ({error})", again) from error
    expected = list(columns.ranker_features(record.n_factors))
    for source, names in ((record_file, record.feature_names), (model, booster.feature_name())):
        if len(names) != len(expected):
            raise InputError(f"{source}: {len(names)} features; {record.n_factors} factors make {len(expected)}", again)
        for position, (name, wanted) in enumerate(zip(names, expected, strict=True)):
            if name != wanted:
                raise InputError(f"{source}: feature {position} is {name!r}, not {wanted!r}", again)
    if booster.num_trees() != record.best_iteration:
        raise InputError(
            f"{model}: {booster.num_trees()} trees; {RECORD_FILE} says {record.best_iteration}",
            again,
        )
    return TrainedRanker(booster, record)
