"""The rows of a table as the feature vectors of a preset: the one place that knows which model completes them."""

from pathlib import Path
from typing import Any

from kraft.engine.store import Store
from kraft.models.factors import Factors
from kraft.models.feature_table import FeatureTable
from kraft.models.features import FeatureRows
from kraft.models.pair_rows import PairRows
from kraft.models.recipes import ALS, WATCH_TIME, named
from kraft.models.watch_time_model import WatchTimeModel
from kraft.settings import Settings

Completing = Factors | WatchTimeModel
"""What completes stored features to feature vectors."""


def completing(store: Store, settings: Settings) -> Completing:
    """The model of ``store`` that completes the preset's rows: ALS factors (seed), else the watch time model.

    Raises:
        InputError: it is missing or damaged.
    """
    if settings.preset == "seed":
        return Factors.load(store.trusted(named(ALS, settings)))
    return WatchTimeModel.load(store.trusted(WATCH_TIME))


def completed(table: Path, model: Completing, settings: Settings) -> FeatureTable[Any]:
    """`open_rows` with a model that is loaded already."""
    if isinstance(model, Factors):
        return FeatureRows(table, model.user, model.item)
    return PairRows(table, model, settings.without)


def open_rows(table: Path, store: Store, settings: Settings) -> FeatureTable[Any]:
    """The rows of ``table`` as the preset's ranker takes them.

    Args:
        table: `ranker_train` or `ranker_test` (preset seed), else `pair_features`; or a table of the same columns.
        store: holds the model that belongs to the table: ALS factors (seed), else the watch time model.
        settings: the preset, and the groups of features to leave out.

    Raises:
        InputError: the table lacks a column, or the model is missing or damaged.
    """
    return completed(table, completing(store, settings), settings)
