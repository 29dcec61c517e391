"""The first stage of recommendations on Spark: the workers choose for a few users at a time.

Catalogue and sources, with the factors in them, are sent once to each executor. What a user gets does not depend on who
else is served (`kraft.models.candidates.top`): so the candidates are those of the single machine.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.candidates.blocks import schema
from kraft.models.candidates.retrieval import Choice, Users, chosen
from kraft.models.candidates.top import block_rows
from kraft.spark.errors import asked
from kraft.spark.frames import url_of
from kraft.spark.parts import TASKS_A_CORE, Batches, shared_out, write_table
from kraft.spark.session import spark_session
from kraft.stages import retrieve_candidates as retrieve_stage
from kraft.stages.retrieve_candidates import CandidatesRetrieved, RetrieveCandidates


def retrieve_candidates(arguments: RetrieveCandidates) -> CandidatesRetrieved:
    """`kraft.stages.retrieve_candidates.retrieve_candidates` on Spark."""
    session = spark_session(arguments.settings.master)
    return retrieve_stage.retrieve_candidates(arguments, write=partial(write_candidates, session))


def write_candidates(session: SparkSession, store: Store, choice: Choice, users: Users, out: Path) -> tuple[int, int]:
    """As `kraft.models.candidates.retrieval.write_candidates`."""
    tasks = TASKS_A_CORE * session.sparkContext.defaultParallelism
    height = max(min(block_rows(len(choice.catalogue)), -(-len(users.ids) // tasks)), 1)
    pieces = -(-len(users.ids) // height)
    Progress(choice.settings.verbosity).detail(f"  candidates: {pieces} blocks of users on Spark")
    shared = session.sparkContext.broadcast((choice, users))
    try:
        work = partial(_chosen, shared=shared, store=store.folder, height=height)
        made = shared_out(session, pieces).mapInArrow(work, spark_schema(schema(ranks=choice.ranks)))
        # Beside the file that it becomes: the parts are of the work folder, which the workers see.
        with store.scratch() as folder:
            written = folder / "candidates.parquet"
            pairs = asked("the candidates on Spark failed", lambda: write_table(made, written))
            short = 0
            if choice.candidates is not None:
                counts = session.read.parquet(url_of(written)).groupBy(columns.USER_ID).count()
                full = counts.where(sf.col("count") >= choice.candidates)
                short = len(users.ids) - asked("the candidates on Spark failed", full.count)
            written.replace(out)
        return pairs, short
    finally:
        shared.unpersist()


def _chosen(batches: Batches, *, shared: Any, store: Path, height: int) -> Batches:  # noqa: ANN401 - a broadcast
    """What a worker does: the candidates of the users whose block it is given the number of."""
    choice, users = shared.value
    for batch in batches:
        for number in batch.column(0).to_pylist():
            part = slice(number * height, (number + 1) * height)
            mine = Users(users.ids[part], users.rows[part], 0)
            with ExitStack() as stack:
                for made in chosen(stack, Store(store), choice, mine, threads=1):
                    yield from made.table.to_batches()


def spark_schema(arrow: pa.Schema) -> str:
    """A schema of integers, floats and texts in Spark's words.

    >>> spark_schema(pa.schema({"user_id": pa.int32(), "score": pa.float64(), "sources": pa.string()}))
    'user_id int, score double, sources string'
    """
    kinds = {pa.int32(): "int", pa.float64(): "double", pa.string(): "string"}
    return ", ".join(f"{field.name} {kinds[field.type]}" for field in arrow)
