"""The ranking metrics of one set of scores, as a person reads them and as a program stores them.

`sql/evaluation` computes every figure; this module only takes the two small result tables
(`ranking_metrics`, `score_auc`), checks that they belong together, and writes them out. Nothing here grows
with the test set.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from kraft.errors import InputError, QueryError

CUTOFFS = (10, 20, 50, 100, 500, 1000)
"""The documented cutoffs, in places of a user's list."""

SUBSETS = ("all", "warm items", "cold items")
"""Test pairs evaluated apart, as `score_auc` names them: a warm item occurs in train, a cold one does not."""

METRICS = {"precision": "Precision", "recall": "Recall", "ndcg": "NDCG"}
"""Fields of `CutoffMetrics` and the names that people know them by."""

Row = Mapping[str, object]
Share = Annotated[float, Field(ge=0, le=1 + 1e-9)]
Count = Annotated[int, Field(ge=0)]
Checked = TypeVar("Checked")


@dataclass(frozen=True)
class CutoffMetrics:
    """One row of `ranking_metrics`: means over the users who have a positive."""

    cutoff: Annotated[int, Field(ge=1)]
    """Places of the list that count."""
    precision: Share
    recall: Share
    ndcg: Share
    users_evaluated: Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class SubsetAuc:
    """One row of `score_auc`."""

    subset: str
    auc: Share | None
    """None if the subset lacks positives or negatives, which leaves the AUC undefined."""
    pairs: Count
    positives: Count


@dataclass(frozen=True)
class RankingReport:
    """The metrics of one set of scores. Make one with `from_rows`."""

    cutoffs: tuple[CutoffMetrics, ...]
    """By rising cutoff, at least one."""
    subsets: tuple[SubsetAuc, ...]
    """In the order of `SUBSETS`."""

    @property
    def users_evaluated(self) -> int:
        """Users with at least one positive test pair, the same at every cutoff."""
        return self.cutoffs[0].users_evaluated

    @property
    def pairs(self) -> int:
        """Scored test pairs."""
        return self.subsets[0].pairs

    @property
    def positives(self) -> int:
        """Scored test pairs that are positive."""
        return self.subsets[0].positives

    def to_json(self) -> dict[str, object]:
        """What `json.dump` takes: full precision, cutoffs as text keys, an undefined AUC as None."""
        return {
            "users_evaluated": self.users_evaluated,
            "pairs": self.pairs,
            "positives": self.positives,
            "metrics": {metric: {str(at.cutoff): getattr(at, metric) for at in self.cutoffs} for metric in METRICS},
            "auc": {
                one.subset: {"auc": one.auc, "pairs": one.pairs, "positives": one.positives} for one in self.subsets
            },
        }

    def to_table(self) -> str:
        """The report in plain text, four decimals, without a line end after the last line."""
        ranking = [["metric", *(f"@{at.cutoff}" for at in self.cutoffs)]]
        ranking += [
            [label, *(f"{getattr(at, metric):.4f}" for at in self.cutoffs)] for metric, label in METRICS.items()
        ]
        auc = [["AUC", "", "pairs", "positives"]]
        auc += [
            [
                one.subset,
                "undefined" if one.auc is None else f"{one.auc:.4f}",
                f"{one.pairs:,}",
                f"{one.positives:,}",
            ]
            for one in self.subsets
        ]
        users = f"users evaluated  {self.users_evaluated:,} (those with a positive test pair)"
        return "\n\n".join((aligned(ranking), aligned(auc), users))


def from_rows(ranking_rows: Iterable[Row], auc_rows: Iterable[Row]) -> RankingReport:
    """The report of what `evaluation/ranking_metrics` and `evaluation/score_auc` return, rows in any order.

    Args:
        ranking_rows: column name to value, one mapping a cutoff.
        auc_rows: column name to value, one mapping a subset.

    Raises:
        InputError: no row of `ranking_rows`: no user has a positive test pair.
        QueryError: a row is not what the SQL files promise, a subset is missing or surplus, or the cutoffs
            disagree on the number of users.

    >>> report = from_rows(
    ...     [{"cutoff": 10, "precision": 0.75, "recall": 0.05, "ndcg": 0.8125, "users_evaluated": 3}],
    ...     [
    ...         {"subset": "all", "auc": 0.7, "pairs": 90, "positives": 30},
    ...         {"subset": "warm items", "auc": 0.7, "pairs": 90, "positives": 30},
    ...         {"subset": "cold items", "auc": None, "pairs": 0, "positives": 0},
    ...     ],
    ... )
    >>> print(report.to_table())
    metric        @10
    Precision  0.7500
    Recall     0.0500
    NDCG       0.8125
    <BLANKLINE>
    AUC                    pairs  positives
    all            0.7000     90         30
    warm items     0.7000     90         30
    cold items  undefined      0          0
    <BLANKLINE>
    users evaluated  3 (those with a positive test pair)
    """
    cutoffs = _checked(TypeAdapter(list[CutoffMetrics]), ranking_rows, "ranking_metrics")
    subsets = _checked(TypeAdapter(list[SubsetAuc]), auc_rows, "score_auc")
    if not cutoffs:
        raise InputError(
            "no test user has a positive pair, so there is no list to evaluate",
            "Lower --positive-threshold or --train-fraction, then rerun python -m jobs.evaluate.",
        )
    if len({at.users_evaluated for at in cutoffs}) > 1 or len({at.cutoff for at in cutoffs}) < len(cutoffs):
        raise QueryError("evaluation/ranking_metrics: expected one row a cutoff and the same users at each")
    if sorted(one.subset for one in subsets) != sorted(SUBSETS):
        raise QueryError(f"evaluation/score_auc: expected one row for each of {', '.join(SUBSETS)}")
    return RankingReport(
        cutoffs=tuple(sorted(cutoffs, key=lambda at: at.cutoff)),
        subsets=tuple(sorted(subsets, key=lambda one: SUBSETS.index(one.subset))),
    )


def _checked(adapter: TypeAdapter[list[Checked]], rows: Iterable[Row], table: str) -> list[Checked]:
    """The rows as records; QueryError, naming the column, where one does not fit."""
    try:
        return adapter.validate_python([dict(row) for row in rows])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise QueryError(f"evaluation/{table}, row and column {where}: {first['msg']}") from error


def aligned(rows: list[list[str]]) -> str:
    """The rows as lines: the first column to the left, the others to the right, two spaces between."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
