"""The stage that trains the ranker another way, for the ablation: nothing is published."""

from pathlib import Path

from kraft.engine.process.progress import QUIET, Progress
from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import Settings
from kraft.stages.preset import preset_of
from kraft.stages.train_ranker import train


class Trial(Record):
    """What `run_trial` is asked."""

    settings: Settings
    """With everything built, and the groups of features to leave out."""
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


@stage(Trial, Tried, LOW_MEMORY)
def run_trial(arguments: Trial) -> Tried:
    """Train the ranker as the preset has it, and score the test pairs with it."""
    from kraft.models.ranker import scoring

    settings, quiet = arguments.settings, Progress(QUIET)
    preset, store = preset_of(settings), Store(settings.work)
    trained = train(settings, preset.ranker, quiet)
    with preset.open_rows(store.table(preset.pair_table), store, settings) as pairs:
        scoring.score(pairs, trained, arguments.out, threads=settings.threads, progress=quiet)
    return Tried(**trained.record.model_dump(include=set(Tried.model_fields)))
