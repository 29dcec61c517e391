"""Reports as `kraft.evaluation` writes them, with made-up figures, for tests of what pages say of them."""

from typing import Any

CUTOFFS = ("10", "20", "50")
METRICS = (
    "ndcg@10", "ndcg@50", "precision@10", "recall@50", "ndcg@10 warm items", "ndcg@10 cold items",
    "ndcg@10 low-activity users", "auc", "auc warm items", "auc cold items", "auc low-activity users",
)  # fmt: skip
PAIRED = ("ndcg@10", "auc", "auc warm items", "auc cold items")
LIST_METRICS = ("ndcg", "precision", "recall", "average_precision", "reciprocal_rank", "hit_rate")


def estimate(value: float | None, spread: float = 0.125) -> dict[str, float | None]:
    known = value is not None
    return {"value": value, "low": value - spread if known else None, "high": value + spread if known else None}


def score_set(name: str, value: float, less: float | None = None, *, baseline: bool = False) -> dict[str, Any]:
    """Scores whose every metric is ``value``; the first set is better by ``less``, None for the first itself."""
    bins = [
        {"bin": 1, "pairs": 30, "mean_score": 0.25, "positive_share": 0.125},
        {"bin": 2, "pairs": 30, "mean_score": 0.5, "positive_share": 0.75},
    ]
    counts = {"all": (60, 20), "warm items": (40, 16), "cold items": (20, 4)}
    return {
        "name": name,
        "baseline": baseline,
        "ranking": {
            "metrics": {metric: dict.fromkeys(CUTOFFS, value) for metric in ("precision", "recall", "ndcg")},
            "auc": {
                subset: {"auc": value, "pairs": pairs, "positives": positives}
                for subset, (pairs, positives) in counts.items()
            },
        },
        "estimates": {metric: estimate(value) for metric in METRICS},
        "first_minus_this": None if less is None else {metric: estimate(less) for metric in PAIRED},
        "least_score": 0.0,
        "greatest_score": 1.0,
        "calibration": {"log_loss": 0.5, "brier": 1 - value, "expected_calibration_error": 0.1875, "bins": bins},
    }


def evaluation_report(*sets: dict[str, Any], notes: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `kraft.evaluation.score_sets.evaluate` reports; by default of kraft, another preset and a baseline."""
    usual = (
        score_set("kraft", 0.75),
        score_set("documented", 0.5, 0.25),
        score_set("random", 0.25, 0.5, baseline=True),
    )
    return {
        "pairs": 60,
        "positives": 20,
        "users_evaluated": 10,
        "users": 12,
        "low_activity_users": 3,
        "bootstrap": {"resamples": 1000, "seed": 42, "confidence": 0.95},
        "notes": list(notes),
        "score_sets": list(sets or usual),
    }


def list_report(**more: Any) -> dict[str, Any]:
    """What `kraft.evaluation.lists.evaluate` reports of lists beside those of every video."""
    facts = {"users": 20, "rows": 200, "short_lists": 1, "without_list": 2, "diversity": 0.75, "videos": 400}
    lists = [
        {"name": name, "metrics": dict.fromkeys(LIST_METRICS, estimate(value)), **facts, "shown": 100, "coverage": 0.25,
         "novelty": None, "gini": 0.5}
        for name, value in (("of 50 candidates", 0.25), ("of every video", 0.5))
    ]  # fmt: skip
    return {
        "top": 10,
        "exclude_seen": True,
        "users": 20,
        "positives": 60,
        "candidates": {
            "cutoffs": [50, 100],
            "shares": {"als": 3, "popular": 1, "new": 1},
            "recall": {"union": [0.25, 0.5], "als": [0.3, 0.4], "popular": [0.2, 0.35], "new": [0.0, 0.125]},
            "added": {"als": [0.05, 0.1], "popular": [-0.01, 0.0], "new": [0.0, 0.02]},
        },
        "lists": lists,
        "loss": {"reference": "of every video", "absolute": estimate(0.25), "relative": estimate(0.5)},
    } | more
