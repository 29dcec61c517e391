"""A preset: which tables are built, which features the ranker has, what it learns from, and every model's settings.

`preset_of(settings)` is the only function that looks up a preset by its name. Code that needs something that differs
between presets asks the object.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kraft import columns
from kraft.artifacts import ALS, RANKER, WATCH_TIME, artifact_name
from kraft.engine.workspace.store import FIT, Store
from kraft.settings import AlsSettings, RankerSettings, Settings, StackingSettings, WatchTimeSettings
from kraft.stages.table_lists import BASE_TABLES, DETAIL_TABLES, PAIR_TABLES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kraft.models.als.factors import Factors
    from kraft.models.features.feature_table import FeatureTable
    from kraft.models.ranker.validation import SplitRows
    from kraft.models.watch_time.model import WatchTimeModel

    CompletingModel = Factors | WatchTimeModel | None
    """What completes stored features to feature vectors; None if nothing has to."""


def history_store(store: Store) -> Store:
    """The store of the history: the same tables as in ``store``, of the train period cut again in time."""
    return store.inner(FIT)


@dataclass(frozen=True)
class Preset(ABC):
    """One way from the tables to scores."""

    name: str
    als: AlsSettings
    ranker: RankerSettings
    tables: tuple[str, ...]
    """What a build brings up to date, in this order."""
    pair_table: str
    """The table with the stored features of the test pairs, or of any pairs."""
    pair_inputs: tuple[str, ...]
    """Its inputs besides the pairs."""
    label_table: str
    """The table with the stored features of the pairs that the ranker learns from."""
    label_pairs: str
    """The table of these pairs."""
    watch_time: WatchTimeSettings | None = None
    """None: the preset has no watch time model."""
    stacking: StackingSettings | None = None
    """None: the ranker learns from the train period as a whole."""

    @abstractmethod
    def feature_names(self, settings: Settings) -> tuple[str, ...]:
        """Names of the ranker's features in their order."""

    @abstractmethod
    def label_store(self, store: Store) -> Store:
        """The store of `label_table` and `label_pairs`."""

    @abstractmethod
    def load_model(self, store: Store) -> "CompletingModel":
        """The model of ``store`` that completes stored features.

        Raises:
            InputError: it is missing or damaged.
        """

    @abstractmethod
    def rows(self, table: Path, model: "CompletingModel", settings: Settings) -> "FeatureTable[Any]":
        """The rows of a table of stored features as feature vectors.

        Raises:
            InputError: the table lacks a column.
        """

    @abstractmethod
    def split_rows(
        self, rows: "FeatureTable[Any]", labels: "npt.NDArray[np.bool_]", chosen: RankerSettings
    ) -> "SplitRows":
        """The rows that the ranker learns from, and those that it is validated on."""

    @abstractmethod
    def category_codes(self, store: Store) -> dict[str, list[str]]:
        """The values of categorical features in the order of their codes; code 0 is what is missing, ''."""

    @abstractmethod
    def ranker_inputs(self, store: Store) -> Mapping[str, Store]:
        """What the ranker is made of, by name in the manifest, with the store of each."""

    @abstractmethod
    def score_inputs(self) -> tuple[str, ...]:
        """Inputs of the test pairs' scores besides the ranker."""

    def open_rows(self, table: Path, store: Store, settings: Settings) -> "FeatureTable[Any]":
        """`rows`, completed by the model of ``store``.

        Args:
            table: `label_table` or `pair_table`, or a table of the same columns.
            store: holds the model that belongs to the table.
            settings: groups of features to leave out.

        Raises:
            InputError: the table lacks a column, or the model is missing or damaged.
        """
        return self.rows(table, self.load_model(store), settings)

    def label_rows(self, store: Store, settings: Settings) -> "FeatureTable[Any]":
        """The rows that the ranker learns from."""
        source = self.label_store(store)
        return self.open_rows(source.table(self.label_table), source, settings)

    def artifact(self, kind: str) -> str:
        """Name of the preset's model or scores of a kind in the work folder."""
        return artifact_name(kind, self.name)


class _Documented(Preset):
    """The documented pipeline: 29 stored features and the ALS factors, learned on the whole train period."""

    def feature_names(self, settings: Settings) -> tuple[str, ...]:
        return columns.ranker_features(als_settings(settings).factors)

    def label_store(self, store: Store) -> Store:
        return store

    def load_model(self, store: Store) -> "CompletingModel":
        from kraft.models.als.factors import Factors

        return Factors.load(store.verified(self.artifact(ALS)))

    def rows(self, table: Path, model: "CompletingModel", settings: Settings) -> "FeatureTable[Any]":
        from kraft.models.als.factors import Factors
        from kraft.models.features.documented import FeatureRows

        assert isinstance(model, Factors)  # noqa: S101 - `load_model` made it
        return FeatureRows(table, model.user, model.item)

    def split_rows(
        self,
        rows: "FeatureTable[Any]",
        labels: "npt.NDArray[np.bool_]",
        chosen: RankerSettings,
    ) -> "SplitRows":
        from kraft.models.ranker.validation_process import random_rows_apart

        return random_rows_apart(labels, chosen.validation_fraction, chosen.seed)

    def category_codes(self, store: Store) -> dict[str, list[str]]:
        import numpy as np
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        codes: dict[str, list[str]] = {}
        user_features = store.table("user_features")
        for name in columns.CATEGORICAL_FEATURES:
            users = pq.read_table(user_features, columns=[name, f"{name}_code"])
            # Of each code one user: objects of Python for all users would take more than the rest of the stage.
            known, first = np.unique(users[f"{name}_code"].to_numpy(), return_index=True)
            values = pc.cast(users[name].take(first), "string").to_pylist()
            codes[name] = ["", *(value for code, value in zip(known, values, strict=True) if code)]
        return codes

    def ranker_inputs(self, store: Store) -> Mapping[str, Store]:
        return dict.fromkeys(("ranker_train", "user_features", self.artifact(ALS)), store)

    def score_inputs(self) -> tuple[str, ...]:
        return self.pair_table, self.artifact(ALS), self.artifact(RANKER)


class _Kraft(Preset):
    """Stored features of a history and what the watch time model says, learned on what met after that history."""

    def feature_names(self, settings: Settings) -> tuple[str, ...]:
        return columns.pair_features(settings.without)

    def label_store(self, store: Store) -> Store:
        return history_store(store)

    def load_model(self, store: Store) -> "CompletingModel":
        from kraft.models.watch_time.model import WatchTimeModel

        return WatchTimeModel.load(store.verified(WATCH_TIME)) if self.watch_time else None

    def rows(self, table: Path, model: "CompletingModel", settings: Settings) -> "FeatureTable[Any]":
        from kraft.models.features.pairs import PairRows
        from kraft.models.watch_time.model import WatchTimeModel

        assert model is None or isinstance(model, WatchTimeModel)  # noqa: S101 - `load_model` made it
        return PairRows(table, model, settings.without)

    def split_rows(
        self, rows: "FeatureTable[Any]", labels: "npt.NDArray[np.bool_]", chosen: RankerSettings
    ) -> "SplitRows":
        import numpy as np

        from kraft.models.ranker.validation import latest_rows

        return latest_rows(
            labels,
            rows.column(columns.TIMESTAMP, np.float64, nullable=True),
            rows.column(columns.ITEM_ID, np.int32),
            rows.column(columns.IS_WARM, np.bool_),
            chosen.validation_fraction,
        )

    def category_codes(self, store: Store) -> dict[str, list[str]]:
        return {}

    def ranker_inputs(self, store: Store) -> Mapping[str, Store]:
        inputs = (f"{FIT}.{self.label_table}", *((f"{FIT}.{WATCH_TIME}",) if self.watch_time else ()))
        return dict.fromkeys(inputs, history_store(store))

    def score_inputs(self) -> tuple[str, ...]:
        return self.pair_table, *((WATCH_TIME,) if self.watch_time else ()), self.artifact(RANKER)


DOCUMENTED: Final = _Documented(
    name="documented",
    als=AlsSettings(factors=64, regularization=0.01, iterations=20, seed=42, store_zeros=True),
    ranker=RankerSettings(
        metric=("auc",),
        rounds=1000,
        early_stopping=50,
        learning_rate=0.05,
        num_leaves=31,
        max_bin=128,
        # Without `subsample_freq`, which the documented pipeline does not set, LightGBM never bags.
        bagging_fraction=0.8,
        lambda_l1=0.1,
        lambda_l2=0.1,
        validation="random",
    ),
    tables=(*BASE_TABLES, "ranker_users", "ranker_items", "ranker_train", "ranker_test"),
    pair_table="ranker_test",
    pair_inputs=("user_features", "video_metadata", "user_index", "item_index", "user_counts", "item_counts"),
    label_table="ranker_train",
    label_pairs="interactions_train",
)
"""The documented pipeline, reproduced as it is."""
KRAFT: Final = _Kraft(
    name="kraft",
    als=AlsSettings(factors=16, regularization=20, iterations=10, seed=42, store_zeros=False),
    ranker=RankerSettings(
        # AUC does not see whether the scores are probabilities.
        metric=("binary_logloss", "auc"),
        rounds=400,
        early_stopping=30,
        learning_rate=0.1,
        num_leaves=15,
        max_bin=127,
        lambda_l2=10.0,
        min_data_in_leaf=500,
        validation="latest",
    ),
    tables=(*BASE_TABLES, *DETAIL_TABLES, *PAIR_TABLES),
    pair_table="pair_features",
    pair_inputs=("user_stats", "item_features", "user_affinity"),
    label_table="pair_features",
    label_pairs="interactions_test",
    watch_time=WatchTimeSettings(rank=12, sweeps=8, seed=42),
    stacking=StackingSettings(history_fraction=0.6, held_out_share=0.3),
)
"""Learns from what happened later than its features, and knows watch times."""
PRESETS: Final[Mapping[str, Preset]] = {preset.name: preset for preset in (KRAFT, DOCUMENTED)}


def preset_of(settings: Settings) -> Preset:
    """The preset that ``settings`` name; without the watch time model if the ranker does not use it."""
    preset = PRESETS[settings.preset]
    return replace(preset, watch_time=None) if columns.WATCH_TIME in settings.without else preset


def als_settings(settings: Settings) -> AlsSettings:
    """The preset's ALS settings with what the user set instead."""
    names = ("factors", "regularization", "iterations", "store_zeros")
    given = {name: value for name in names if (value := getattr(settings, name)) is not None}
    return preset_of(settings).als.model_copy(update=given)


def ranker_settings(settings: Settings) -> RankerSettings:
    """The preset's ranker settings with what the user set instead."""
    given: dict[str, object] = {
        name: value for name in ("rounds", "objective") if (value := getattr(settings, name)) is not None
    }
    if settings.objective == "lambdarank":
        given["metric"] = ("auc",)
    return preset_of(settings).ranker.model_copy(update=given)
