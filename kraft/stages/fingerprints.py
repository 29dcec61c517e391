"""What each model and the scores depend on: known without loading them, so that a job can tell what is stale."""

from collections.abc import Mapping
from typing import Any, Final

from kraft.artifacts import ALS, RANKER, SCORES, WATCH_TIME
from kraft.engine.workspace.store import FIT, Fingerprint, Store
from kraft.settings import Settings
from kraft.stages.preset import als_settings, preset_of, ranker_settings

CODE: Final = {ALS: "2", WATCH_TIME: "2", RANKER: "3", SCORES: "1"}
"""Raised by one whenever the code gives other numbers for the same inputs and settings."""


def _fingerprint(kind: str, inputs: Mapping[str, Store], settings: Mapping[str, Any]) -> Fingerprint:
    digests = {}
    for name, store in inputs.items():
        entry = store.manifest().get(name.removeprefix(f"{FIT}."))
        # An input that is not there yet makes the result stale, whatever it was made of.
        digests[name] = entry["digest"] if entry else "missing"
    return Fingerprint(digests, settings, CODE[kind])


def als_fingerprint(store: Store, settings: Settings) -> Fingerprint:
    """Fingerprint of the ALS factors."""
    chosen = als_settings(settings).model_dump() | {"als_solver": settings.als_solver}
    return _fingerprint(ALS, dict.fromkeys(("interactions_train", "user_index", "item_index"), store), chosen)


def watch_time_fingerprint(store: Store, main: Store, settings: Settings) -> Fingerprint:
    """Fingerprint of the watch time model of ``store``, the store of the history or ``main`` itself."""
    chosen = preset_of(settings).watch_time
    assert chosen is not None  # noqa: S101 - the pipeline asks for it with such a preset only
    inputs = {"watch_times": store, "daily_stats": store, "video_details": main}
    return _fingerprint(WATCH_TIME, inputs, chosen.model_dump())


def ranker_fingerprint(store: Store, settings: Settings) -> Fingerprint:
    """Fingerprint of the ranker's model."""
    chosen = ranker_settings(settings).model_dump(mode="json") | {"without": sorted(settings.without)}
    return _fingerprint(RANKER, preset_of(settings).ranker_inputs(store), chosen)


def scores_fingerprint(store: Store, settings: Settings) -> Fingerprint:
    """Fingerprint of the scores of the test pairs."""
    return _fingerprint(SCORES, dict.fromkeys(preset_of(settings).score_inputs(), store), {})
