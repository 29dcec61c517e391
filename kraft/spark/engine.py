"""Which stages run on Spark in a way of their own, and how.

They run in the job's process, since Spark has processes of its own. Every other stage runs as without Spark, on what
these leave in the work folder.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from kraft.engine.process.stage import Record, Stage
from kraft.spark import als, candidates, evaluation, lists, ranker, scoring, tables
from kraft.stages.build_tables import build_tables
from kraft.stages.evaluate import compare_scores, evaluate_scores
from kraft.stages.evaluate_lists import evaluate_lists
from kraft.stages.fit_als import fit_als
from kraft.stages.rank_lists import rank_lists
from kraft.stages.retrieve_candidates import retrieve_candidates
from kraft.stages.score import export_scores, score_given_pairs, score_test_pairs
from kraft.stages.train_ranker import train_ranker

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
P = ParamSpec("P")

_OWN: dict[Stage[Any, ..., Any], Callable[[Any], Any]] = {}


def _own(stage: Stage[A, P, R], function: Callable[[A], R]) -> None:
    _OWN[stage] = function


_own(build_tables, tables.build)
_own(fit_als, als.fit_als)
_own(train_ranker, ranker.train_ranker)
_own(score_test_pairs, scoring.score_test_pairs)
_own(score_given_pairs, scoring.score_given_pairs)
_own(export_scores, scoring.export_scores)
_own(retrieve_candidates, candidates.retrieve_candidates)
_own(rank_lists, lists.rank_lists)
_own(evaluate_scores, evaluation.evaluate_scores)
_own(compare_scores, evaluation.compare_scores)
_own(evaluate_lists, evaluation.evaluate_lists)


def on_spark(stage: Stage[A, P, R]) -> Callable[[A], R] | None:
    """What runs ``stage`` on Spark; None for a stage that runs as without it."""
    return _OWN.get(stage)
