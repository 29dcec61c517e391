"""The score sets of a report of `kraft.evaluation.score_sets.evaluate`: how the sections look things up in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from kraft.formatting import Found, figure, pairs, told
from kraft.report.plots import Range

MAIN = "ndcg@10"
"""The metric that score sets are ordered by."""

Sets = Sequence[Mapping[str, Any]]
"""The report's `score_sets`, the evaluated one first."""


def value_of(one: Found, metric: str) -> float | None:
    value: float | None = one["estimates"][metric]["value"]
    return value


def told_of(one: Found, metric: str) -> str:
    return told(one["estimates"][metric])


def least_of(one: Found, metric: str) -> float:
    """The metric for finding the best; what is undefined comes last."""
    value = value_of(one, metric)
    return float("-inf") if value is None else value


def range_of(one: Found, metric: str) -> Range:
    return Range(**one["estimates"][metric])


def named_values(values: Mapping[str, float | None]) -> str:
    return pairs({name: figure(value, digits=3) for name, value in values.items()})
