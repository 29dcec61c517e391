"""What people read of an evaluation: plain text, four decimals, no line end after the last line."""

from collections.abc import Mapping, Sequence
from typing import Any

from kraft.evaluation.evaluator import AUC_METRICS, LOW_ACTIVITY_AUC, ScoreSetMetrics
from kraft.evaluation.intervals import CONFIDENCE, RESAMPLES, Estimate
from kraft.evaluation.ranking import aligned

SHOWN = {
    "NDCG@10": "ndcg@10",
    "": "interval",
    "AUC": AUC_METRICS["all"],
    "warm": AUC_METRICS["warm items"],
    "cold": AUC_METRICS["cold items"],
    "NDCG@10 warm": "ndcg@10 warm items",
    "AUC low-activity": LOW_ACTIVITY_AUC,
}
"""Columns of the table of score sets."""


def score_sets_table(evaluated: Mapping[str, ScoreSetMetrics]) -> str:
    """One line a score set, the evaluated one first."""
    lines = [["score set", *SHOWN]]
    for name, one in evaluated.items():
        found = one.estimates()
        cells = [
            _interval(found["ndcg@10"]) if metric == "interval" else _figure(found[metric].value)
            for metric in SHOWN.values()
        ]
        lines.append([name, *cells])
    first = next(iter(evaluated.values()))
    return f"{aligned(lines)}\n\n{_how(len(first.user_ndcg), int(first.low_activity.sum()))}"


def detail(name: str, evaluated: ScoreSetMetrics) -> str:
    """The ranking metrics of one score set, then how its probabilities hold."""
    parts = [f"{name}\n", evaluated.report.to_table(), _calibration_table(evaluated)]
    return "\n".join((parts[0], parts[1], "", parts[2]))


def compare_table(
    first: str, second: str, differences: Mapping[str, Mapping[str, Any]], users: Mapping[str, Any]
) -> str:
    """Two score sets side by side.

    Args:
        first: name of the one.
        second: name of the other, which the differences are taken from.
        differences: metric -> a, b, difference, low and high.
        users: count, and the shares that rise, fall and stay equal.
    """
    lines = [["metric", first, second, "difference", ""]]
    for metric, row in differences.items():
        change = Estimate(row["difference"], row["low"], row["high"])
        lines.append(
            [
                _label(metric),
                _figure(row["a"]),
                _figure(row["b"]),
                _figure(change.value, sign="+"),
                _interval(change, "+"),
            ]
        )
    shares = [
        f"{users['rise']:.1%} of the users gain by {first}",
        f"{users['fall']:.1%} lose",
        f"{users['equal']:.1%} are as before",
    ]
    return "\n\n".join(
        (
            aligned(lines),
            f"NDCG@10 of a user   {', '.join(shares)} ({users['count']:,} with a positive test pair)",
            _how_drawn(users["drawn"]),
        )
    )


def _calibration_table(evaluated: ScoreSetMetrics) -> str:
    found = evaluated.calibration
    if found is None:
        return f"calibration   none: scores from {evaluated.least:.4g} to {evaluated.greatest:.4g} are no probabilities"
    lines: list[Sequence[str]] = [["calibration", "pairs", "mean score", "positive share"]]
    lines += [
        [f"bin {row['bin']}", f"{row['pairs']:,}", _figure(row["mean_score"]), _figure(row["positive_share"])]
        for row in found["bins"]
    ]
    return (
        f"{aligned([list(line) for line in lines])}\n\n"
        f"log loss {_figure(found['log_loss'])}   Brier score {_figure(found['brier'])}   "
        f"expected calibration error {_figure(found['expected_calibration_error'])}"
    )


def _label(metric: str) -> str:
    """The metric as people know it."""
    return metric.replace("ndcg", "NDCG").replace("auc", "AUC")


def _figure(value: float | None, sign: str = "") -> str:
    return "undefined" if value is None else f"{value:{sign}.4f}"


def _interval(estimate: Estimate, sign: str = "") -> str:
    if estimate.low is None:
        return ""
    return f"[{_figure(estimate.low, sign)}, {_figure(estimate.high, sign)}]"


def _how(users: int, low_activity: int) -> str:
    return (
        f"{_how_drawn(users)}\n"
        f"warm items occur in train, cold ones do not; low activity: {low_activity:,} of these users, "
        "the quarter that was least active in train"
    )


def _how_drawn(users: int) -> str:
    return f"[{CONFIDENCE:.0%} interval of {RESAMPLES:,} resamples of the {users:,} users]"
