"""The stage that trains the ranker.

Its memory is the tightest of all, so it imports neither Polars nor DuckDB (35 MiB).
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from kraft.artifacts import RANKER, TRAINING_SAMPLE
from kraft.columns import POSITIVE_INTERACTION
from kraft.engine.process.memory import peak_bytes
from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import MIB, RankerSettings, Settings
from kraft.stages.fingerprints import ranker_fingerprint
from kraft.stages.preset import preset_of, ranker_settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from kraft.models.features.feature_table import FeatureTable
    from kraft.models.ranker.training import TrainedRanker


class TrainRanker(Record):
    """What `train_ranker` is asked."""

    settings: Settings


class RankerTrained(Record):
    """What `train_ranker` made; each field as in `kraft.models.ranker.training.RankerRecord`."""

    best_iteration: int
    rounds_run: int
    validation_auc: float
    train_rows: int
    validation_rows: int
    label_rows: int
    sampled_rows: int
    dataset_seconds: float
    train_seconds: float
    seconds_a_round: float
    peak_mib: int
    ranks: int = 1
    """Machines that trained it together."""


class Sample(NamedTuple):
    """Facts of the rows that the ranker learns from, if they are a sample."""

    weights: "npt.NDArray[np.float32] | None" = None
    """Of each row."""
    label_rows: int | None = None
    """All rows with a label."""


@stage(TrainRanker, RankerTrained, LOW_MEMORY)
def train_ranker(arguments: TrainRanker) -> RankerTrained:
    """Train the preset's ranker and publish it as the model `ranker_PRESET`."""
    settings = arguments.settings
    trained = train(settings, ranker_settings(settings), Progress(settings.verbosity))
    return publish(trained, Store(settings.work), settings)


def train(settings: Settings, chosen: RankerSettings, progress: Progress) -> "TrainedRanker":
    """Train the preset's ranker with the settings ``chosen``; nothing is published.

    Raises:
        InputError: there are too few rows of a class.
    """
    from kraft.models.positives import naming_threshold
    from kraft.models.ranker import training as ranker

    store, preset = Store(settings.work), preset_of(settings)
    rows = preset.label_rows(store, settings)
    sample = sample_of(store, settings, rows)
    with naming_threshold(store, settings):
        return ranker.train(
            rows,
            lambda labels: preset.split_rows(rows, labels, chosen),
            chosen,
            threads=settings.threads,
            progress=progress,
            category_codes=preset.category_codes(store),
            weights=sample.weights,
            label_rows=sample.label_rows,
        )


def publish(trained: "TrainedRanker", store: Store, settings: Settings, ranks: int = 1) -> RankerTrained:
    """Make ``trained`` the store's ranker of the preset."""
    record, peak = trained.record, round(peak_bytes() / MIB)
    name = preset_of(settings).artifact(RANKER)
    with store.scratch() as folder:
        made = folder / name
        made.mkdir()
        trained.save(made)
        facts = {"validation_auc": record.validation_auc, "peak_mib": peak}
        store.publish(name, made, ranker_fingerprint(store, settings), facts)
    told = record.model_dump(include=set(RankerTrained.model_fields))
    return RankerTrained(**told, peak_mib=peak, ranks=ranks)


def sample_of(store: Store, settings: Settings, rows: "FeatureTable[Any]") -> Sample:
    """What `ranker.train` has to know of the sample that ``rows`` are."""
    import numpy as np
    import pyarrow.parquet as pq

    preset = preset_of(settings)
    source = preset.label_store(store)
    if source.entry(TRAINING_SAMPLE) is None:
        return Sample()
    with pq.ParquetFile(source.table(TRAINING_SAMPLE), pre_buffer=False) as file:
        # All rows of a label weigh the same, and the sample may be in another order than the features.
        weight = np.ones(2, dtype=np.float32)
        for group in range(file.num_row_groups):
            read = file.read_row_group(group, columns=[POSITIVE_INTERACTION, "weight"], use_threads=False)
            weight[read[POSITIVE_INTERACTION].to_numpy().astype(np.intp)] = read["weight"].to_numpy()
    weights = np.where(rows.labels(), weight[1], weight[0])
    return Sample(weights, source.manifest()[preset.label_pairs]["rows"])
