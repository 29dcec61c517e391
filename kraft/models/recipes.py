"""What each model and the scores depend on: known without loading them, so that a job can tell what is stale."""

from collections.abc import Mapping
from typing import Any, Final

from kraft.engine.store import Recipe, Store
from kraft.settings import Settings

ALS: Final = "als"
RANKER: Final = "ranker"
SCORES: Final = "scores"
CODE: Final = {ALS: "1", RANKER: "1", SCORES: "1"}
"""Raised by one whenever the code gives other numbers for the same inputs and settings."""


def _recipe(store: Store, name: str, inputs: tuple[str, ...], settings: Mapping[str, Any]) -> Recipe:
    entries = store.manifest()
    # An input that is not there yet makes the result stale, whatever it was made of.
    digests = {part: entries[part]["digest"] if part in entries else "missing" for part in inputs}
    return Recipe(digests, settings, CODE[name])


def als_recipe(store: Store, settings: Settings) -> Recipe:
    """Recipe of the factors."""
    chosen = settings.als.model_dump() | {"als_solver": settings.als_solver}
    return _recipe(store, ALS, ("user_item_counts", "user_index", "item_index"), chosen)


def ranker_recipe(store: Store, settings: Settings) -> Recipe:
    """Recipe of the ranker's model."""
    return _recipe(store, RANKER, ("ranker_train", "user_features", ALS), settings.ranker.model_dump())


def scores_recipe(store: Store) -> Recipe:
    """Recipe of the scores of the test pairs."""
    return _recipe(store, SCORES, ("ranker_test", RANKER, ALS), {})
