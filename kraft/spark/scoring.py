"""The stages that score, on Spark: workers take row groups of the table, and score them as the single machine does.

The driver sends model and factors once to each executor. A row group's features and scores are computed by the very
functions of `kraft.models.scoring`, so that the scores are the same to the last bit.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from kraft.engine.progress import Progress
from kraft.engine.store import Store
from kraft.models import ranker, scoring, scoring_stages
from kraft.models.preset_rows import completed, completing
from kraft.models.recipes import RANKER, SCORES, named
from kraft.settings import Settings
from kraft.spark.builder import SparkBuilder
from kraft.spark.errors import asked
from kraft.spark.outputs import export
from kraft.spark.parts import Batches, shared_out, write_table
from kraft.spark.session import spark_session

SCORE_COLUMNS: Final = "user_id int, item_id int, score double"


def score(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Score every test pair; as `kraft.models.scoring_stages.score`."""
    return scoring_stages.score(arguments, score_table=partial(score_table, _session(arguments)))


def score_pairs(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Score the pairs of a user's file; as `kraft.models.scoring_stages.score_pairs`.

    The driver reads the file, sorts it, and brings the scores into its order; Spark computes features and scores.
    """
    session = _session(arguments)
    return scoring_stages.score_pairs(
        arguments,
        score_table=partial(score_table, session),
        builder=partial(SparkBuilder, spark=session),
        export=partial(export, session),
    )


def export_scores(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the scores to the place that the user named; as `kraft.models.scoring_stages.export_scores`."""
    settings = Settings.model_validate(arguments["settings"])
    export(_session(arguments), Store(settings.work).table(named(SCORES, settings)), arguments["out"])
    return {}


def _session(arguments: Mapping[str, Any]) -> SparkSession:
    return spark_session(Settings.model_validate(arguments["settings"]).master)


def score_table(
    session: SparkSession, settings: Settings, store: Store, features: Path, target: Path, progress: Progress
) -> int:
    """As `kraft.models.scoring_stages.score_table`, the rows in the same order."""
    trained, model = ranker.load(store.trusted(named(RANKER, settings))), completing(store, settings)
    with completed(features, model, settings) as rows:
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
    with completed(features, model, settings) as rows:
        groups = (number for batch in batches for number in batch.column(0).to_pylist())
        for scores in scoring.scored(rows, trained, groups, threads=1):
            yield from scores.to_batches()
