"""The stage that trains the ranker: JSON in, JSON out, in a process of its own.

Its memory is the tightest of all, so it imports neither Polars nor DuckDB (35 MiB).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kraft import columns
from kraft.engine.budget import peak_bytes
from kraft.engine.progress import Progress
from kraft.engine.store import Store
from kraft.models import ranker
from kraft.models.feature_table import FeatureTable
from kraft.models.positives import naming_threshold
from kraft.models.preset_rows import open_rows
from kraft.models.recipes import RANKER, fit_store, named, ranker_recipe
from kraft.models.validation import SplitRows, latest_rows
from kraft.models.validation_stage import random_rows_apart
from kraft.settings import MIB, RankerSettings, Settings


def train_ranker(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the preset's ranker and publish it as the model `ranker_PRESET`."""
    settings = Settings.model_validate(arguments["settings"])
    store, progress = Store(settings.work), Progress(settings.verbosity)
    rows = label_rows(store, settings)
    with naming_threshold(store, settings):
        trained = ranker.train(
            rows,
            lambda labels: draw_rows(rows, labels, settings.ranker),
            settings.ranker,
            threads=settings.threads,
            progress=progress,
            category_codes=category_codes(store, settings),
            **sample_of(store, settings, rows),
        )
    return publish(trained, store, settings)


def publish(trained: ranker.TrainedRanker, store: Store, settings: Settings) -> dict[str, Any]:
    """Make ``trained`` the store's ranker of the preset; returns what a job tells of it."""
    record = trained.record
    name = named(RANKER, settings)
    with store.scratch() as folder:
        made = folder / name
        made.mkdir()
        trained.save(made)
        facts = {"validation_auc": record.validation_auc, "peak_mib": round(peak_bytes() / MIB)}
        store.publish(name, made, ranker_recipe(store, settings), facts)
    return record.model_dump(mode="json", exclude={"feature_names", "category_codes", "history"}) | facts


def label_rows(store: Store, settings: Settings) -> FeatureTable[Any]:
    """The rows that the preset's ranker learns from: all of the train period (seed), or what met after the history."""
    if settings.preset == "seed":
        return open_rows(store.table("ranker_train"), store, settings)
    fit = fit_store(store)
    return open_rows(fit.table("pair_features"), fit, settings)


def sample_of(store: Store, settings: Settings, rows: FeatureTable[Any]) -> dict[str, Any]:
    """What `ranker.train` has to know of the sample that ``rows`` are; nothing where they are all there are."""
    seed = settings.preset == "seed"
    source, pairs = (store, "interactions_train") if seed else (fit_store(store), "interactions_test")
    entry = source.entry(columns.LABEL_SAMPLE)
    if entry is None:
        return {}
    with pq.ParquetFile(source.table(columns.LABEL_SAMPLE), pre_buffer=False) as file:
        # All rows of a label weigh the same, and the sample may be in another order than the features.
        weight = np.ones(2, dtype=np.float32)
        for group in range(file.num_row_groups):
            read = file.read_row_group(group, columns=[columns.POSITIVE_INTERACTION, "weight"], use_threads=False)
            weight[read[columns.POSITIVE_INTERACTION].to_numpy().astype(np.intp)] = read["weight"].to_numpy()
    weights = np.where(rows.labels(), weight[1], weight[0])
    return {"weights": weights, "label_rows": source.manifest()[pairs]["rows"]}


def draw_rows(rows: FeatureTable[Any], labels: npt.NDArray[np.bool_], chosen: RankerSettings) -> SplitRows:
    """The rows to learn from and those to validate on, as ``chosen`` wants them drawn."""
    if chosen.validation == "random":
        return random_rows_apart(labels, chosen.validation_fraction, chosen.seed)
    return latest_rows(
        labels,
        rows.column(columns.TIMESTAMP, np.float64, nullable=True),
        rows.column(columns.ITEM_ID, np.int32),
        rows.column(columns.IS_WARM, np.bool_),
        chosen.validation_fraction,
    )


def category_codes(store: Store, settings: Settings) -> dict[str, list[str]]:
    """The values of the preset's categorical features in the order of their codes; code 0 is what is missing, ''."""
    codes: dict[str, list[str]] = {}
    if settings.preset != "seed":
        return codes
    user_features = store.table("user_features")
    for name in columns.CATEGORICAL_FEATURES:
        users = pq.read_table(user_features, columns=[name, f"{name}_code"])
        # Of each code one user: objects of Python for all users would take more than the rest of the stage.
        known, first = np.unique(users[f"{name}_code"].to_numpy(), return_index=True)
        values = pc.cast(users[name].take(first), "string").to_pylist()
        codes[name] = ["", *(value for code, value in zip(known, values, strict=True) if code)]
    return codes
