"""The ranker: a LightGBM classifier trained on rows that are never all in memory.

LightGBM bins every value to one byte, so its Dataset of 2,993,004 x 157 takes 470 MB where the float32
matrix takes 1.9 GB. It is filled through `lightgbm.Sequence`: a sample of single rows sets the bins'
edges, then batch after batch is pushed and forgotten. The trees are the same, byte for byte, as those of
the in-memory matrix.
"""

import importlib.metadata
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.models.features.feature_table import BATCH_ROWS, FeatureTable, FloatMatrix, RowSequence
from kraft.models.ranker.lightgbm_import import lightgbm
from kraft.models.ranker.validation import SplitRows
from kraft.settings import RankerSettings

MODEL_FILE, RECORD_FILE = "ranker.txt", "ranker.json"
HISTORY_DIGITS = 6

CategoryCodes = Mapping[str, list[str]]
"""For a categorical feature, its values in the order of their codes."""


class RankerRecord(BaseModel):
    """What `ranker.json` says of the model in `ranker.txt`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: list[str]
    category_codes: dict[str, list[str]]
    settings: RankerSettings
    versions: dict[str, str]
    best_iteration: int
    """Trees in the model: the round that was best on the validation rows, by the first metric."""
    rounds_run: int
    history: dict[str, list[float]]
    """Each metric on the validation rows, a value a round, to `HISTORY_DIGITS` digits: the learning curve."""
    validation_auc: float
    """AUC of the validation rows at best_iteration. Preset documented: optimistic, since they are random rows of the
    train period and the factors have seen their labels."""
    train_rows: int
    validation_rows: int
    label_rows: int
    """Rows with a label that there are."""
    sampled_rows: int
    """Of these, the rows that both parts were drawn from: fewer where memory holds no more."""
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


def lightgbm_parameters(settings: RankerSettings, threads: int) -> dict[str, Any]:
    """LightGBM's parameters for ``settings``, validated by AUC, and what makes a run repeatable."""
    chosen = settings.model_dump(exclude={"rounds", "early_stopping", "validation", "validation_fraction", "metric"})
    return {
        **chosen,
        "metric": list(settings.metric),
        # A Sequence's sample is drawn with this one alone, a matrix's sample with seed's derivate.
        "data_random_seed": settings.seed,
        # Row-wise histograms keep a second copy of the bins: 1.9 GiB instead of 1.05.
        "force_col_wise": True,
        "deterministic": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def datasets(
    features: FeatureTable[Any],
    labels: npt.NDArray[np.bool_],
    split: SplitRows,
    parameters: dict[str, Any],
    *,
    users: npt.NDArray[np.int32] | None = None,
    weights: npt.NDArray[np.float32] | None = None,
    sample: FloatMatrix | None = None,
    advance: Callable[[int], None] = lambda _: None,
    batch_rows: int = BATCH_ROWS,
) -> tuple[lightgbm.Dataset, lightgbm.Dataset]:
    """Bin the train rows, then the validation rows with the same edges. Both datasets are constructed.

    Args:
        features: the train table.
        labels: bool, shape (len(features),).
        split: which rows are train rows, which validation rows.
        parameters: from `lightgbm_parameters`.
        users: user of each row, for a ranking objective: equal ones stand together.
        weights: of each row; None for 1.
        sample: feature vectors that set the bins' edges; None for a sample of the train rows. Whoever has a part of
            the train rows only needs one that is shared.
        advance: called with the number of rows of each batch.
        batch_rows: rows pushed at a time.
    """
    names = list(features.feature_names)
    # By index: given by name, 4.7.0 does not find them in a dataset with a reference.
    categorical = [index for index, name in enumerate(names) if name in columns.CATEGORICAL_FEATURES]
    reference = None
    if sample is not None:
        none = np.zeros(len(sample), dtype=np.float32)
        reference = lightgbm.Dataset(
            sample, label=none, feature_name=names, categorical_feature=categorical, params=dict(parameters)
        ).construct()
    built: list[lightgbm.Dataset] = []
    for rows in split:
        dataset = lightgbm.Dataset(
            RowSequence(features, rows, batch_rows, advance),
            label=labels[rows].astype(np.float32),
            weight=None if weights is None else weights[rows],
            group=None if users is None else np.unique(users[rows], return_counts=True)[1],
            reference=built[0] if built else reference,
            feature_name=names,
            categorical_feature=categorical,
            params=dict(parameters),
        )
        built.append(dataset.construct())
        # LightGBM has copied the labels; the Python object would keep 4 bytes a row more until the end.
        dataset.label = dataset.weight = None
    return built[0], built[1]


def train(
    features: FeatureTable[Any],
    draw: Callable[[npt.NDArray[np.bool_]], SplitRows],
    settings: RankerSettings,
    *,
    threads: int,
    progress: Progress,
    category_codes: CategoryCodes,
    weights: npt.NDArray[np.float32] | None = None,
    label_rows: int | None = None,
) -> TrainedRanker:
    """Train the ranker on a table with labels; the model ends at the round that was best on the validation rows.

    Args:
        features: the table's rows. 3.7 M rows x 157 take 620 MB of bins and scores.
        draw: says, given the labels, which rows train and which validate (`validation`).
        settings: LightGBM's parameters.
        threads: of LightGBM; the model does not depend on them.
        progress: where to report to.
        category_codes: values of the categorical features in the order of their codes; kept in the record.
        weights: how many rows each row stands for, shape (n_rows,); None if all rows are there.
        label_rows: how many rows the table is a sample of; None if it is all of them.

    Raises:
        InputError: the table lacks a label, or has too few rows of a class.
    """
    started = time.monotonic()
    lightgbm.register_logger(_Log(progress))
    parameters = lightgbm_parameters(settings, threads)
    labels = features.labels()
    split = draw(labels)
    users = features.column(columns.USER_ID, np.int32) if settings.objective == "lambdarank" else None
    n_rows, n_train, n_validation = len(labels), len(split.train), len(split.validation)
    with progress.task("bin features", n_train + n_validation) as task:
        train_set, validation_set = datasets(
            features, labels, split, parameters, users=users, weights=weights, advance=task.advance
        )
    names = list(features.feature_names)
    features.close()
    del labels, split, users, weights
    binned = time.monotonic()
    with progress.task("train ranker", settings.rounds, "rounds") as task:

        def report(auc: float) -> None:
            task.note(f"validation AUC {auc:.4f}")
            task.advance()

        booster, learned = boost(parameters, train_set, validation_set, settings, report)
    record = RankerRecord(
        feature_names=names,
        category_codes=dict(category_codes),
        settings=settings,
        train_rows=n_train,
        validation_rows=n_validation,
        label_rows=label_rows or n_rows,
        sampled_rows=n_rows,
        dataset_seconds=round(binned - started, 3),
        **learned,
    )
    return TrainedRanker(booster, record)


def boost(
    parameters: dict[str, Any],
    train_set: lightgbm.Dataset,
    validation_set: lightgbm.Dataset,
    settings: RankerSettings,
    told: Callable[[float], object] = lambda _: None,
) -> tuple[lightgbm.Booster, dict[str, Any]]:
    """Grow trees until the validation rows say that it is enough.

    Args:
        parameters: from `lightgbm_parameters`.
        train_set: from `datasets`, and
        validation_set: from the same call.
        settings: rounds, and when to stop.
        told: the AUC of the validation rows after each round.

    Returns:
        The model, and the fields of its `RankerRecord` that tell how it was learned.
    """
    started = time.monotonic()
    history: dict[str, list[float]] = {metric: [] for metric in settings.metric}

    def report(environment: lightgbm.callback.CallbackEnv) -> None:
        for _, metric, value, *_ in environment.evaluation_result_list or ():
            history[metric].append(round(value, HISTORY_DIGITS))
            if metric == "auc":
                told(value)

    booster = lightgbm.train(
        parameters,
        train_set,
        num_boost_round=settings.rounds,
        valid_sets=[validation_set],
        valid_names=["validation"],
        callbacks=[
            report,
            lightgbm.early_stopping(settings.early_stopping, first_metric_only=True, verbose=False),
        ],
    )
    seconds, rounds_run = time.monotonic() - started, len(history["auc"])
    return booster, {
        "versions": {name: importlib.metadata.version(name) for name in ("lightgbm", "numpy", "scikit-learn")},
        "best_iteration": booster.best_iteration,
        "rounds_run": rounds_run,
        "history": history,
        "validation_auc": booster.best_score["validation"]["auc"],
        "train_seconds": round(seconds, 3),
        "seconds_a_round": round(seconds / rounds_run, 5),
    }


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
    if booster.feature_name() != record.feature_names:
        raise InputError(f"{model}: its features are not those that {RECORD_FILE} names", again)
    if booster.num_trees() != record.best_iteration:
        raise InputError(
            f"{model}: {booster.num_trees()} trees; {RECORD_FILE} says {record.best_iteration}",
            again,
        )
    return TrainedRanker(booster, record)
