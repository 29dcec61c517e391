"""The ranker by LightGBM's own data-parallel learner: one rank an executor, all in one barrier stage.

The driver draws the rows to learn from and to validate on, as the single machine does, and a sample that sets the
bins' edges. Each rank bins a share of the train rows, which it reads where the table lies, with the edges of that one
sample: so it does not matter which rows it gets. The ranks add up their histograms after each split
(`tree_learner=data`), and grow the same trees. Each holds all validation rows: their metric has to be the same
everywhere, or some would stop before the others.

A lost rank ends the stage. Spark does not run it again by itself, so the driver does, with the ranks that are left.

Memory of a rank, beside the libraries: a byte a feature for its share of the train rows and for all validation rows,
the sample (float32), and 5 bytes for every row with a label. Of the driver: the sample, and some 20 bytes for every row
with a label.
"""

import json
import re
import socket
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import BarrierTaskContext
from pyspark.sql import SparkSession

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.features.feature_table import FloatMatrix
from kraft.models.positives import naming_threshold
from kraft.models.ranker import training as ranker
from kraft.models.ranker.lightgbm_import import lightgbm
from kraft.models.ranker.training import RankerRecord, TrainedRanker
from kraft.models.ranker.validation import SplitRows
from kraft.settings import Settings
from kraft.spark.errors import OF_SPARK, told_by
from kraft.spark.parts import Batches
from kraft.spark.session import executors, spark_session
from kraft.stages.preset import preset_of, ranker_settings
from kraft.stages.train_ranker import RankerTrained, TrainRanker, publish, sample_of

if TYPE_CHECKING:
    from kraft.stages.preset import CompletingModel

ATTEMPTS: Final = 3
"""Times that the stage is tried: a rank may be lost, or its port taken before it listens there."""
NOTICED: Final = 2.0
"""Time after which Spark knows of a loss [s]."""
PATIENCE: Final = 10
"""Minutes that ranks wait for each other."""
ANSWER: Final = "learned string, model binary"
LEAST_SHARE: Final = 1000
"""Train rows of a rank: where there are fewer, fewer ranks learn."""
ALONE: Final = {
    "tree_learner": "serial",
    "machines": "",
    "num_machines": 1,
    "local_listen_port": 12400,
    "time_out": 120,
}
"""What LightGBM writes of one machine."""
Rows = npt.NDArray[np.int32]


class Lesson(NamedTuple):
    """What every rank has to know; broadcast."""

    table: Path
    """Of the rows with labels, which driver and workers see under the same path."""
    model: "CompletingModel"
    settings: Settings
    labels: npt.NDArray[np.bool_]
    split: SplitRows
    users: npt.NDArray[np.int32] | None
    weights: npt.NDArray[np.float32] | None
    sample: FloatMatrix
    """Feature vectors that set the bins' edges."""


def train_ranker(arguments: TrainRanker) -> RankerTrained:
    """`kraft.stages.train_ranker.train_ranker` on Spark."""
    started = time.monotonic()
    settings = arguments.settings
    store, progress = Store(settings.work), Progress(settings.verbosity)
    session = spark_session(settings.master)
    with preset_of(settings).label_rows(store, settings) as rows:
        known = sample_of(store, settings, rows)
    lesson, names = _lesson(store, settings, known.weights)
    prepared = time.monotonic()
    learned, model, ranks = _learned(session, lesson, progress)
    record = RankerRecord(
        feature_names=names,
        category_codes=preset_of(settings).category_codes(store),
        settings=ranker_settings(settings),
        train_rows=len(lesson.split.train),
        validation_rows=len(lesson.split.validation),
        label_rows=known.label_rows or len(lesson.labels),
        sampled_rows=len(lesson.labels),
        dataset_seconds=round(prepared - started + learned.pop("dataset_seconds"), 3),
        **learned,
    )
    trained = TrainedRanker(lightgbm.Booster(model_str=model), record)
    return publish(trained, store, settings, ranks)


def _lesson(store: Store, settings: Settings, weights: npt.NDArray[np.float32] | None) -> tuple[Lesson, list[str]]:
    """What the ranks learn from, and the names of the features."""
    preset, chosen = preset_of(settings), ranker_settings(settings)
    with naming_threshold(store, settings), preset.label_rows(store, settings) as rows:
        labels = rows.labels()
        split = preset.split_rows(rows, labels, chosen)
        users = rows.column(columns.USER_ID, np.int32) if chosen.objective == "lambdarank" else None
        size = min(chosen.bin_construct_sample_cnt, len(split.train))
        drawn = np.random.default_rng(chosen.seed).choice(len(split.train), size, replace=False)
        sample = rows.take(split.train[np.sort(drawn)])
        model = preset.load_model(preset.label_store(store))
        return Lesson(rows.table, model, settings, labels, split, users, weights, sample), list(rows.feature_names)


def _learned(session: SparkSession, lesson: Lesson, progress: Progress) -> tuple[dict[str, Any], str, int]:
    """What rank 0 tells of the training, the model's text, and how many ranks there were."""
    shared = session.sparkContext.broadcast(lesson)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            found, threads = executors(session)
            ranks = max(min(found, len(lesson.split.train) // LEAST_SHARE), 1)
            progress.detail(f"  ranker: {ranks} ranks of {threads} threads")
            work = partial(_rank, shared=shared, threads=threads)
            try:
                # One row a rank, one rank a partition.
                rows = session.range(0, ranks, 1, ranks).mapInArrow(work, ANSWER, barrier=True).collect()
            except OF_SPARK as error:
                if attempt == ATTEMPTS:
                    raise told_by(error, f"the ranker on Spark failed {ATTEMPTS} times") from error
                progress.detail(f"  ranker: a rank was lost, once more ({told_by(error, '').problem.strip()})")
                # Until then the executor that went is counted among those that are there.
                time.sleep(NOTICED)
            else:
                (answer,) = rows
                return json.loads(answer["learned"]), bytes(answer["model"]).decode(), ranks
    finally:
        shared.unpersist()
    raise AssertionError


# --- what the workers do ----------------------------------------------------------------------


def _rank(batches: Batches, *, shared: Any, threads: int) -> Batches:  # noqa: ANN401 - a broadcast
    """Train as one of several ranks; rank 0 answers with the model."""
    for _ in batches:
        pass
    context = BarrierTaskContext.get()
    lesson, rank, ranks = shared.value, context.partitionId(), len(context.getTaskInfos())
    started = time.monotonic()
    chosen = ranker_settings(lesson.settings)
    # Else a feature that the sample cannot split would be dropped, which depends on the number of rows.
    parameters = ranker.lightgbm_parameters(chosen, threads) | {"feature_pre_filter": False}
    split = SplitRows(share(lesson.split.train, lesson.users, rank, ranks), lesson.split.validation)
    with preset_of(lesson.settings).rows(lesson.table, lesson.model, lesson.settings) as rows:
        binned = ranker.datasets(
            rows, lesson.labels, split, parameters, users=lesson.users, weights=lesson.weights, sample=lesson.sample
        )
    seconds = time.monotonic() - started
    network = _network(context)
    booster, learned = ranker.boost(parameters | network, *binned, chosen)
    if rank == 0:
        text = as_alone(booster.model_to_string(num_iteration=booster.best_iteration))
        told = json.dumps(learned | {"dataset_seconds": seconds})
        yield pa.record_batch([pa.array([told]), pa.array([text.encode()])], names=["learned", "model"])
    if network:
        booster.free_network()


def _network(context: BarrierTaskContext) -> dict[str, Any]:
    """LightGBM's parameters that tell the ranks of each other, once all of them have come here; none for a single."""
    infos = context.getTaskInfos()
    if len(infos) == 1:
        return {}
    # LightGBM finds itself in the list by its address.
    host = socket.gethostbyname(infos[context.partitionId()].address.rpartition(":")[0])
    with closing(socket.socket()) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    machines = context.allGather(f"{host}:{port}")
    return {
        "tree_learner": "data",
        "machines": ",".join(machines),
        "num_machines": len(machines),
        "local_listen_port": port,
        "time_out": PATIENCE,
    }


def share(rows: Rows, users: npt.NDArray[np.int32] | None, rank: int, ranks: int) -> Rows:
    """The train rows of one rank: neighbours, so that it reads a part of the table only.

    Args:
        rows: all of them, ascending.
        users: of each row of the table, where the rows of a user must not be torn apart.
        rank: from 0 on.
        ranks: how many there are.

    >>> [share(np.arange(5), None, rank, 2).tolist() for rank in (0, 1)]
    [[0, 1], [2, 3, 4]]
    """
    bounds = [len(rows) * part // ranks for part in (rank, rank + 1)]
    if users is not None:
        mine = users[rows]
        # From the first row of the user that the bound falls on.
        bounds = [int(np.searchsorted(mine, mine[at])) if at < len(mine) else at for at in bounds]
    return rows[bounds[0] : bounds[1]]


def as_alone(model: str) -> str:
    r"""A model's text with the parameters of a machine that is alone: addresses say nothing of its trees.

    >>> as_alone("[machines: 10.0.0.1:4321,10.0.0.2:4321]\n[seed: 42]\n")
    '[machines: ]\n[seed: 42]\n'
    """
    for name, value in ALONE.items():
        model = re.sub(rf"^\[{name}: .*\]$", f"[{name}: {value}]", model, flags=re.MULTILINE)
    return model
