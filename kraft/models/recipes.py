"""What each model and the scores depend on: known without loading them, so that a job can tell what is stale.

Each preset has models and scores of its own, side by side in one work folder: `ranker_seed`, `ranker_kraft`.
"""

from collections.abc import Mapping
from typing import Any, Final

from kraft.engine.store import FIT, Recipe, Store
from kraft.settings import PRESETS, Settings

ALS: Final = "als"
WATCH_TIME: Final = "watch_time"
RANKER: Final = "ranker"
SCORES: Final = "scores"
CODE: Final = {ALS: "2", WATCH_TIME: "2", RANKER: "3", SCORES: "1"}
"""Raised by one whenever the code gives other numbers for the same inputs and settings."""


def fit_store(store: Store) -> Store:
    """The store of the history: the same tables as in ``store``, of the train period cut again in time."""
    return store.inner(FIT)


def named(kind: str, settings: Settings) -> str:
    """Name of a preset's model or scores in the store."""
    return f"{kind}_{settings.preset}"


def _recipe(kind: str, inputs: Mapping[str, Store], settings: Mapping[str, Any]) -> Recipe:
    digests = {}
    for name, store in inputs.items():
        entry = store.manifest().get(name.removeprefix(f"{FIT}."))
        # An input that is not there yet makes the result stale, whatever it was made of.
        digests[name] = entry["digest"] if entry else "missing"
    return Recipe(digests, settings, CODE[kind])


def als_recipe(store: Store, settings: Settings) -> Recipe:
    """Recipe of the ALS factors."""
    chosen = settings.als.model_dump() | {"als_solver": settings.als_solver}
    return _recipe(ALS, dict.fromkeys(("interactions_train", "user_index", "item_index"), store), chosen)


def watch_time_recipe(store: Store, main: Store, settings: Settings) -> Recipe:
    """Recipe of the watch time model of ``store``, the store of the history or ``main`` itself."""
    chosen = PRESETS[settings.preset].watch_time
    assert chosen is not None  # noqa: S101 - asked for presets with one only
    inputs = {"watch_times": store, "daily_totals": store, "video_details": main}
    return _recipe(WATCH_TIME, inputs, chosen.model_dump())


def ranker_recipe(store: Store, settings: Settings) -> Recipe:
    """Recipe of the ranker's model."""
    chosen = settings.ranker.model_dump(mode="json")
    if settings.preset == "seed":
        return _recipe(RANKER, dict.fromkeys(("ranker_train", "user_features", named(ALS, settings)), store), chosen)
    inputs = dict.fromkeys((f"{FIT}.pair_features", f"{FIT}.{WATCH_TIME}"), fit_store(store))
    return _recipe(RANKER, inputs, chosen | {"without": sorted(settings.without)})


def scores_recipe(store: Store, settings: Settings) -> Recipe:
    """Recipe of the scores of the test pairs."""
    rows, model = ("ranker_test", named(ALS, settings)) if settings.preset == "seed" else ("pair_features", WATCH_TIME)
    return _recipe(SCORES, dict.fromkeys((rows, model, named(RANKER, settings)), store), {})
