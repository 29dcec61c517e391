"""The stages that judge, with the files of `sql/evaluation` and `sql/recommendations` run by Spark.

What they come down to, a row a user or a bin, the driver reads: it draws the resamples and writes the report.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kraft.engine.progress import Progress
from kraft.evaluation import recommendations, stage
from kraft.settings import Settings
from kraft.spark.builder import SparkBuilder
from kraft.spark.session import spark_session


def judge(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """As `kraft.evaluation.stage.judge`."""
    return stage.judge(arguments, engine=_engine(arguments))


def compare(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """As `kraft.evaluation.stage.compare`."""
    return stage.compare(arguments, engine=_engine(arguments))


def judge_recommendations(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """As `kraft.evaluation.recommendations.judge_recommendations`."""
    return recommendations.judge_recommendations(arguments, engine=_engine(arguments))


def _engine(arguments: Mapping[str, Any]) -> "partial[SparkBuilder]":
    settings = Settings.model_validate(arguments["settings"])
    session = spark_session(settings.master)
    Progress(settings.verbosity).detail("  judging: the files of sql/ on Spark")
    return partial(SparkBuilder, spark=session)
