"""The stages that score, on Spark: workers take row groups of the table, and score them as the single machine does.

The driver sends model and factors once to each executor. A row group's features and scores are computed by the very
functions of `kraft.models.ranker.scoring`, so that the scores are the same to the last bit.
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from kraft.artifacts import RANKER
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.ranker import scoring
from kraft.models.ranker import training as ranker
from kraft.settings import Settings
from kraft.spark.builder import SparkBuilder
from kraft.spark.errors import asked
from kraft.spark.outputs import export
from kraft.spark.parts import Batches, shared_out, write_table
from kraft.spark.session import spark_session
from kraft.stages import score
from kraft.stages.preset import preset_of
from kraft.stages.score import (
    ExportScores,
    ScoredGivenPairs,
    ScoredTestPairs,
    ScoreGivenPairs,
    ScoresExported,
    ScoreTestPairs,
)

SCORE_COLUMNS: Final = "user_id int, item_id int, score double"


def score_test_pairs(arguments: ScoreTestPairs) -> ScoredTestPairs:
    """`kraft.stages.score.score_test_pairs` on Spark."""
    return score.score_test_pairs(arguments, score_table=partial(score_table, _session(arguments.settings)))


def score_given_pairs(arguments: ScoreGivenPairs) -> ScoredGivenPairs:
    """`kraft.stages.score.score_given_pairs` on Spark.

    The driver reads the file, sorts it, and brings the scores into its order; Spark computes features and scores.
    """
    session = _session(arguments.settings)
    return score.score_given_pairs(
        arguments,
        score_table=partial(score_table, session),
        builder=partial(SparkBuilder, spark=session),
        export=partial(export, session),
    )


def export_scores(arguments: ExportScores) -> ScoresExported:
    """`kraft.stages.score.export_scores` on Spark."""
    return score.export_scores(arguments, export=partial(export, _session(arguments.settings)))


def _session(settings: Settings) -> SparkSession:
    return spark_session(settings.master)


def score_table(
    session: SparkSession, settings: Settings, store: Store, features: Path, target: Path, progress: Progress
) -> int:
    """As `kraft.stages.score.score_table`, the rows in the same order."""
    preset = preset_of(settings)
    trained, model = ranker.load(store.verified(preset.artifact(RANKER))), preset.load_model(store)
    with preset.rows(features, model, settings) as rows:
        scoring.check_features(rows, trained)
        groups = rows.row_groups
    progress.detail(f"  scoring: {groups} row groups on Spark")
    shared = session.sparkContext.broadcast((trained, model))
    try:
        work = partial(_scored, shared=shared, features=features, settings=settings)
        scores = shared_out(session, groups).mapInArrow(work, SCORE_COLUMNS)
        return asked("scoring on Spark failed", lambda: write_table(scores, target))
    finally:
        shared.unpersist()


def _scored(batches: Batches, *, shared: Any, features: Path, settings: Settings) -> Batches:  # noqa: ANN401 - a broadcast
    """What a worker does: the scores of the row groups that it is given the numbers of."""
    trained, model = shared.value
    with preset_of(settings).rows(features, model, settings) as rows:
        groups = (number for batch in batches for number in batch.column(0).to_pylist())
        for scores in scoring.scored(rows, trained, groups, threads=1):
            yield from scores.to_batches()
