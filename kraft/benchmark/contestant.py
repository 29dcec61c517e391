"""One ranker training in a process of its own, for `jobs.benchmark rounds`.

    python -m kraft.benchmark.contestant SIDE --work DIR --model FILE --rounds 20 --threads 2

streamed   kraft.models.ranker, as `jobs.train` runs it
matrix     lightgbm.train on a float32 matrix in memory, with the same parameters
library    the same matrix, but LightGBM chooses how it builds histograms, as it does for who asks for nothing

The last line of stdout is JSON: seconds of a round and of making the datasets, and the validation AUC.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from kraft import columns
from kraft.benchmark.rounds import LIBRARY, SIDES, STREAMED
from kraft.engine.progress import QUIET, Progress
from kraft.engine.store import Store
from kraft.models import ranker
from kraft.models.factors import Factors
from kraft.models.features import FeatureRows
from kraft.models.validation import random_rows
from kraft.models.validation_stage import random_rows_apart
from kraft.settings import PRESETS, RankerSettings

MEMORY_PARAMETERS = ("force_col_wise", "deterministic")
"""What KRAFT asks of LightGBM that the documented pipeline does not."""


def streamed(store: Store, settings: RankerSettings, threads: int, model: Path) -> dict[str, Any]:
    """Train as `jobs.train` does."""
    factors = Factors.load(store.model("als_seed"))
    trained = ranker.train(
        FeatureRows(store.table("ranker_train"), factors.user, factors.item),
        lambda labels: random_rows_apart(labels, settings.validation_fraction, settings.seed),
        settings,
        threads=threads,
        progress=Progress(QUIET),
        category_codes={},
    )
    trained.booster.save_model(model)
    record = trained.record
    return _told(record.train_seconds, record.rounds_run, record.dataset_seconds, record.validation_auc)


def in_memory(store: Store, settings: RankerSettings, threads: int, model: Path, *, own_choice: bool) -> dict[str, Any]:
    """Train on a float32 matrix of the same rows, features and labels.

    Args:
        store: with `ranker_train` and factors.
        settings: of the ranker.
        threads: of LightGBM.
        model: file for the model's text.
        own_choice: leave out `MEMORY_PARAMETERS`.
    """
    parameters = ranker.lightgbm_parameters(settings, threads)
    if own_choice:
        parameters = {name: value for name, value in parameters.items() if name not in MEMORY_PARAMETERS}
    factors = Factors.load(store.model("als_seed"))
    with FeatureRows(store.table("ranker_train"), factors.user, factors.item) as features:
        labels = features.labels()
        split = random_rows(labels, settings.validation_fraction, settings.seed)
        # Gathering the matrix is not counted: who trains in memory has it already.
        matrices = [features.take(rows) for rows in split]
        names = list(features.feature_names)
    started = time.monotonic()
    sets: list[lightgbm.Dataset] = []
    for matrix, rows in zip(matrices, split, strict=True):
        dataset = lightgbm.Dataset(
            matrix,
            label=labels[rows].astype(np.float32),
            reference=sets[0] if sets else None,
            feature_name=names,
            categorical_feature=list(range(len(columns.CATEGORICAL_FEATURES))),
            params=dict(parameters),
        )
        sets.append(dataset.construct())
    binned = time.monotonic()
    booster = lightgbm.train(
        parameters,
        sets[0],
        num_boost_round=settings.rounds,
        valid_sets=[sets[1]],
        valid_names=["validation"],
        callbacks=[lightgbm.early_stopping(settings.early_stopping, verbose=False)],
    )
    seconds = time.monotonic() - binned
    booster.save_model(model)
    return _told(seconds, booster.current_iteration(), binned - started, booster.best_score["validation"]["auc"])


def _told(seconds: float, rounds: int, dataset_seconds: float, auc: float) -> dict[str, Any]:
    return {"round_seconds": seconds / rounds, "dataset_seconds": dataset_seconds, "rounds": rounds, "auc": auc}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kraft.benchmark.contestant", description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    store = Store(options.work)
    settings = PRESETS["seed"].ranker.model_copy(update={"rounds": options.rounds})
    if options.side == STREAMED:
        told = streamed(store, settings, options.threads, options.model)
    else:
        own_choice = options.side == LIBRARY
        told = in_memory(store, settings, options.threads, options.model, own_choice=own_choice)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
