"""The stage that tries the preset kraft's ranker another way: nothing is published."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kraft.engine.progress import QUIET, Progress
from kraft.engine.store import Store
from kraft.models import ranker, scoring
from kraft.models.positives import naming_threshold
from kraft.models.preset_rows import open_rows
from kraft.models.ranker_stage import draw_rows, label_rows, sample_of
from kraft.settings import PRESETS, RankerSettings, Settings


def run_trial(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the ranker with some settings changed, and score the test pairs with it.

    Args:
        arguments: `settings`, of the preset kraft and with everything built; `changed`, settings of the ranker by name;
            `without`, groups of features to leave out; `out`, Parquet file for the scores.

    Returns:
        `best_iteration`, `rounds_run`, `validation_auc`, `train_rows`, `train_seconds`, `dataset_seconds`.
    """
    settings = Settings.model_validate(arguments["settings"]).model_copy(update={"without": arguments["without"]})
    chosen = RankerSettings.model_validate(PRESETS[settings.preset].ranker.model_dump() | arguments["changed"])
    store, quiet = Store(settings.work), Progress(QUIET)
    rows = label_rows(store, settings)
    with naming_threshold(store, settings):
        trained = ranker.train(
            rows,
            lambda labels: draw_rows(rows, labels, chosen),
            chosen,
            threads=settings.threads,
            progress=quiet,
            category_codes={},
            **sample_of(store, settings, rows),
        )
    with open_rows(store.table("pair_features"), store, settings) as pairs:
        scoring.score(pairs, trained, Path(arguments["out"]), threads=settings.threads, progress=quiet)
    told = {"best_iteration", "rounds_run", "validation_auc", "train_rows", "train_seconds", "dataset_seconds"}
    return trained.record.model_dump(mode="json", include=told)
