"""The second stage of recommendations on Spark: the workers rank a few users' candidates at a time.

A worker does with its users what the single machine does with a block of them (`kraft.stages.ranking`): DuckDB
joins the features from the tables of the work folder, the ranker scores them. So the lists are the same.
"""

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.sql import SparkSession

from kraft import columns
from kraft.artifacts import RANKER
from kraft.engine import frames
from kraft.engine.own_ids import with_own_ids
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.ranker import scoring
from kraft.models.ranker import training as ranker
from kraft.models.ranker.training import TrainedRanker
from kraft.settings import Settings
from kraft.spark.candidates import spark_schema
from kraft.spark.errors import asked
from kraft.spark.outputs import export
from kraft.spark.parts import TASKS_A_CORE, Batches, shared_out, write_table
from kraft.spark.session import spark_session
from kraft.stages.preset import preset_of
from kraft.stages.rank_lists import ListsRanked, RankLists
from kraft.stages.ranking import BLOCK_PAIRS, LISTS_SCHEMA, Ranking

if TYPE_CHECKING:
    from kraft.stages.preset import CompletingModel

LEAST_PAIRS: Final = 50_000
"""Candidates ranked together: a join takes half a second, however few they are."""


class _Work(NamedTuple):
    """What every worker has to know; broadcast."""

    settings: Settings
    store: Path
    candidates: Path
    bounds: NDArray[np.int64]
    """First row of each block of whole users, and the number of rows."""
    top: int
    diversity: float
    trained: TrainedRanker
    model: "CompletingModel"


def rank_lists(arguments: RankLists) -> ListsRanked:
    """`kraft.stages.rank_lists.rank_lists` on Spark."""
    settings, candidates, top = arguments.settings, arguments.candidates, arguments.top
    started = time.monotonic()
    session = spark_session(settings.master)
    store, preset = Store(settings.work), preset_of(settings)
    pairs = pq.read_metadata(candidates).num_rows
    tasks = TASKS_A_CORE * session.sparkContext.defaultParallelism
    bounds = user_bounds(candidates, min(max(-(-pairs // tasks), LEAST_PAIRS), BLOCK_PAIRS))
    Progress(settings.verbosity).detail(f"  lists: {len(bounds) - 1} blocks of users on Spark")
    trained = ranker.load(store.verified(preset.artifact(RANKER)))
    work = _Work(
        settings, store.folder, candidates, bounds, top, arguments.diversity, trained, preset.load_model(store)
    )
    with store.scratch() as folder:
        lists = folder / "lists.parquet"
        rows = _write(session, work, lists)
        lengths = frames.scan_parquet(lists).group_by(columns.USER_ID).len().collect()["len"]
        if arguments.out:
            export(session, with_own_ids(lists, store, folder), arguments.out)
        if arguments.keep:
            lists.replace(arguments.keep)
    return ListsRanked(
        users=len(lengths),
        rows=rows,
        short_lists=int((lengths < top).sum()),
        pairs=pairs,
        seconds=round(time.monotonic() - started, 3),
    )


def _write(session: SparkSession, work: _Work, target: Path) -> int:
    shared = session.sparkContext.broadcast(work)
    try:
        made = shared_out(session, len(work.bounds) - 1).mapInArrow(
            partial(_listed, shared=shared), spark_schema(LISTS_SCHEMA)
        )
        return asked("the lists on Spark failed", lambda: write_table(made, target))
    finally:
        shared.unpersist()


def user_bounds(table: Path, rows: int) -> NDArray[np.int64]:
    """Cuts of a table sorted by user_id into blocks of whole users: about ``rows`` rows, or one user's where more.

    Memory: the first row of every user.
    """
    starts, last, done = [np.zeros(0, dtype=np.int64)], None, 0
    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(columns=[columns.USER_ID]):
            users = batch.column(0).to_numpy()
            changed = np.flatnonzero(np.concatenate(([users[0] != last], users[1:] != users[:-1])))
            starts.append(changed + done)
            last, done = users[-1], done + len(users)
    firsts = np.concatenate(starts)
    # The last user that begins before each multiple of `rows`.
    positions = np.searchsorted(firsts, np.arange(0, max(done, 1), rows), side="right") - 1
    return np.unique(np.append(firsts[positions], done)) if done else np.zeros(1, dtype=np.int64)


# --- what the workers do ----------------------------------------------------------------------


def _listed(batches: Batches, *, shared: Any) -> Batches:  # noqa: ANN401 - a broadcast
    """The lists of the users whose block it is given the number of."""
    work: _Work = shared.value
    settings = work.settings.model_copy(update={"threads": 1, "quiet": True})
    ranking = Ranking(Store(work.store), settings, work.top, work.diversity, partial(_score_table, work))
    for batch in batches:
        for number in batch.column(0).to_pylist():
            block = _rows(work.candidates, work.bounds[number], work.bounds[number + 1])
            yield from ranking.lists(block)[0].to_batches()


def _score_table(work: _Work, settings: Settings, _: Store, features: Path, target: Path, progress: Progress) -> int:
    with preset_of(settings).rows(features, work.model, settings) as rows:
        return scoring.score(rows, work.trained, target, threads=settings.threads, progress=progress)


def _rows(table: Path, first: int, last: int) -> pa.Table:
    """Rows ``first`` to ``last`` - 1: only the row groups that hold them are read."""
    with pq.ParquetFile(table) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        groups = range(
            int(np.searchsorted(starts, first, side="right")) - 1, int(np.searchsorted(starts, last, side="left"))
        )
        read = file.read_row_groups(list(groups), use_threads=False)
        return read.slice(first - int(starts[groups.start]), last - first)
