"""The stage that trains the ranker another way, for the ablation: nothing is published."""

from pathlib import Path
from typing import Any

from kraft.engine.process.progress import QUIET, Progress
from kraft.engine.process.stage import THRIFTY, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import RankerSettings, Settings
from kraft.stages.preset import preset_of
from kraft.stages.train_ranker import sample_of


class Trial(Record):
    """What `run_trial` is asked."""

    settings: Settings
    """With everything built, and the groups of features to leave out."""
    changed: dict[str, Any]
    """Settings of the ranker by name."""
    out: Path
    """Parquet file for the scores."""


class Tried(Record):
    """What `run_trial` found; each field as in `kraft.models.ranker.training.RankerRecord`."""

    best_iteration: int
    rounds_run: int
    validation_auc: float
    train_rows: int
    train_seconds: float
    dataset_seconds: float


@stage(Trial, Tried, THRIFTY)
def run_trial(arguments: Trial) -> Tried:
    """Train the ranker with some settings changed, and score the test pairs with it."""
    from kraft.models.positives import naming_threshold
    from kraft.models.ranker import scoring
    from kraft.models.ranker import training as ranker

    settings = arguments.settings
    preset = preset_of(settings)
    chosen = RankerSettings.model_validate(preset.ranker.model_dump() | arguments.changed)
    store, quiet = Store(settings.work), Progress(QUIET)
    rows = preset.label_rows(store, settings)
    sample = sample_of(store, settings, rows)
    with naming_threshold(store, settings):
        trained = ranker.train(
            rows,
            lambda labels: preset.split_rows(rows, labels, chosen),
            chosen,
            threads=settings.threads,
            progress=quiet,
            category_codes=preset.category_codes(store),
            weights=sample.weights,
            label_rows=sample.label_rows,
        )
    with preset.open_rows(store.table(preset.pair_table), store, settings) as pairs:
        scoring.score(pairs, trained, arguments.out, threads=settings.threads, progress=quiet)
    return Tried(**trained.record.model_dump(include=set(Tried.model_fields)))
