"""Trains the documented ranker in a process of its own, for `jobs.benchmark rounds`.

streamed   kraft.models.ranker.training, as `jobs.train` runs it
matrix     lightgbm.train on a float32 matrix in memory, with the same parameters
library    the same matrix, but LightGBM chooses how it builds histograms, as it does by default
"""

import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from kraft import columns
from kraft.benchmark.training_cost import LIBRARY, STREAMED
from kraft.engine.process.progress import QUIET, Progress
from kraft.engine.workspace.store import Store
from kraft.models.als.factors import Factors
from kraft.models.features.documented import FeatureRows
from kraft.models.ranker import training as ranker
from kraft.models.ranker.validation import random_rows
from kraft.settings import RankerSettings
from kraft.stages.preset import PRESETS

MEMORY_PARAMETERS = ("force_col_wise", "deterministic")
"""What KRAFT asks of LightGBM that the documented pipeline does not."""


def train(side: str, work: str, model: str, rounds: int, threads: int) -> dict[str, Any]:
    """Train one side, on ``work``'s `ranker_train` and factors, and write the model's text to ``model``.

    Returns:
        `round_seconds`, `dataset_seconds`, `rounds`, and `auc` on the validation rows.
    """
    store = Store(Path(work))
    settings = PRESETS["documented"].ranker.model_copy(update={"rounds": rounds})
    factors = Factors.load(store.model("als_documented"))
    rows = FeatureRows(store.table("ranker_train"), factors.user, factors.item)
    if side != STREAMED:
        return _in_memory(rows, settings, threads, model, own_choice=side == LIBRARY)
    trained = ranker.train(
        rows,
        lambda labels: random_rows(labels, settings.validation_fraction, settings.seed),
        settings,
        threads=threads,
        progress=Progress(QUIET),
        category_codes={},
    )
    trained.booster.save_model(model)
    record = trained.record
    return _figures(record.train_seconds, record.rounds_run, record.dataset_seconds, record.validation_auc)


def _in_memory(
    rows: FeatureRows, settings: RankerSettings, threads: int, model: str, *, own_choice: bool
) -> dict[str, Any]:
    """Train on a float32 matrix of the same rows; ``own_choice``: without `MEMORY_PARAMETERS`."""
    parameters = ranker.lightgbm_parameters(settings, threads)
    if own_choice:
        parameters = {name: value for name, value in parameters.items() if name not in MEMORY_PARAMETERS}
    with rows:
        labels = rows.labels()
        split = random_rows(labels, settings.validation_fraction, settings.seed)
        # Gathering the matrix is not counted: training in memory starts from it.
        matrices = [rows.take(part) for part in split]
        names = list(rows.feature_names)
    started = time.monotonic()
    sets: list[lightgbm.Dataset] = []
    for matrix, part in zip(matrices, split, strict=True):
        dataset = lightgbm.Dataset(
            matrix,
            label=labels[part].astype(np.float32),
            reference=sets[0] if sets else None,
            feature_name=names,
            categorical_feature=list(range(len(columns.CATEGORICAL_FEATURES))),
            params=dict(parameters),
        )
        sets.append(dataset.construct())
    binned = time.monotonic()
    stop = lightgbm.early_stopping(settings.early_stopping, verbose=False)
    booster = lightgbm.train(parameters, sets[0], settings.rounds, [sets[1]], ["validation"], callbacks=[stop])
    seconds = time.monotonic() - binned
    booster.save_model(model)
    return _figures(seconds, booster.current_iteration(), binned - started, booster.best_score["validation"]["auc"])


def _figures(seconds: float, rounds: int, dataset_seconds: float, auc: float) -> dict[str, Any]:
    return {"round_seconds": seconds / rounds, "dataset_seconds": dataset_seconds, "rounds": rounds, "auc": auc}
