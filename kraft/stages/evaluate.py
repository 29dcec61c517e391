"""The stages that evaluate scores: run `sql/evaluation` over them, and say what the figures are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from kraft.engine.sql.builder import Builder


class EvaluateScores(Record):
    """What `evaluate_scores` is asked."""

    settings: Settings
    scores: dict[str, Path]
    """Name -> Parquet file with user_id, item_id and score, in the order to show them; the first is the one that is
    evaluated."""
    baselines: bool = False
    """Whether to add the simplest recommenders."""
    als: str = "als"
    """The model of the baseline by factors alone."""
    cutoffs: tuple[int, ...] = ()
    """K of the metrics @K; none: `kraft.evaluation.ranking.CUTOFFS`."""


class CompareScores(Record):
    """What `compare_scores` is asked."""

    settings: Settings
    scores: dict[str, Path]
    """Name -> Parquet or CSV file with user_id, item_id and score: two of them."""


class Evaluation(Record):
    """What the stages of evaluation found."""

    report: dict[str, Any]
    """As `kraft.evaluation.score_sets` documents it."""
    table: str
    """Plain text."""


@stage(EvaluateScores, Evaluation, LOW_MEMORY)
def evaluate_scores(arguments: EvaluateScores, *, engine: "Callable[..., Builder] | None" = None) -> Evaluation:
    """Metrics of several score sets, with intervals, beside the simplest recommenders.

    Args:
        arguments: of the stage.
        engine: the builder that runs `sql/evaluation`; by default DuckDB's.

    Raises:
        InputError: no score set is given, or one does not hold one finite score for each test pair.
    """
    from kraft.engine.sql.builder import Builder
    from kraft.evaluation.score_sets import evaluate

    als = arguments.als if arguments.baselines else None
    report, table = evaluate(
        arguments.settings, arguments.scores, engine or Builder, als=als, cutoffs=arguments.cutoffs
    )
    return Evaluation(report=report, table=table)


@stage(CompareScores, Evaluation, LOW_MEMORY)
def compare_scores(arguments: CompareScores, *, engine: "Callable[..., Builder] | None" = None) -> Evaluation:
    """The paired difference of two score sets: what the first is worth over the second.

    Args:
        arguments: of the stage.
        engine: the builder that runs `sql/evaluation`; by default DuckDB's.

    Raises:
        InputError: there are not two score sets, they do not hold the same pairs, or not one finite score for
            each test pair.
    """
    from kraft.engine.sql.builder import Builder
    from kraft.evaluation.score_sets import compare

    report, table = compare(arguments.settings, arguments.scores, engine or Builder)
    return Evaluation(report=report, table=table)
