"""The stages of evaluation, with the files of `sql/evaluation` and `sql/recommendations` run by Spark.

What they come down to, a row a user or a bin, the driver reads: it draws the resamples and writes the report.
"""

from functools import partial

from kraft.engine.process.progress import Progress
from kraft.settings import Settings
from kraft.spark.builder import SparkBuilder
from kraft.spark.session import spark_session
from kraft.stages import evaluate
from kraft.stages import evaluate_lists as lists_stage
from kraft.stages.evaluate import CompareScores, EvaluateScores, Evaluation
from kraft.stages.evaluate_lists import EvaluateLists


def evaluate_scores(arguments: EvaluateScores) -> Evaluation:
    """`kraft.stages.evaluate.evaluate_scores` on Spark."""
    return evaluate.evaluate_scores(arguments, engine=_engine(arguments.settings))


def compare_scores(arguments: CompareScores) -> Evaluation:
    """`kraft.stages.evaluate.compare_scores` on Spark."""
    return evaluate.compare_scores(arguments, engine=_engine(arguments.settings))


def evaluate_lists(arguments: EvaluateLists) -> Evaluation:
    """`kraft.stages.evaluate_lists.evaluate_lists` on Spark."""
    return lists_stage.evaluate_lists(arguments, engine=_engine(arguments.settings))


def _engine(settings: Settings) -> "partial[SparkBuilder]":
    session = spark_session(settings.master)
    Progress(settings.verbosity).detail("  evaluating: the files of sql/ on Spark")
    return partial(SparkBuilder, spark=session)
