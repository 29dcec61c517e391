"""What people read of evaluated recommendations: plain text within 100 columns, no line end after the last line."""

from collections.abc import Mapping, Sequence
from typing import Any

from kraft import formatting
from kraft.evaluation.ranking import aligned

METRICS = {
    "ndcg": "NDCG",
    "precision": "precision",
    "recall": "recall",
    "average_precision": "MAP",
    "reciprocal_rank": "MRR",
    "hit_rate": "hit rate",
}
"""Columns of `list_metrics`, whose means over the users are metrics, and the names that people know them by."""
SOURCES = {"union": "all together", **formatting.SOURCES}
"""Sources of candidates, as people call them."""

Found = Mapping[str, Any]


def report_table(report: Found) -> str:
    """The report of `kraft.evaluation.lists.evaluate` as text."""
    parts = []
    if report["candidates"]:
        parts += [_recall_table(report["candidates"]), _added_table(report["candidates"])]
    if report["lists"]:
        parts += [_list_table(report["lists"], report["top"]), _catalogue_table(report["lists"])]
    if report["loss"]:
        parts.append(_loss_lines(report["loss"], report["top"]))
    return "\n\n".join((*parts, _how(report)))


def _recall_table(candidates: Found) -> str:
    """Recall of each source alone."""
    lines = [[_figure(value) for value in values] for values in candidates["recall"].values()]
    return _by_cutoff("recall of candidates", candidates["recall"], lines, candidates["cutoffs"])


def _added_table(candidates: Found) -> str:
    """What each source is worth among the others."""
    lines = [[_figure(value, "+") for value in values] for values in candidates["added"].values()]
    return _by_cutoff("what each adds to it", candidates["added"], lines, candidates["cutoffs"])


def _by_cutoff(title: str, sources: Found, lines: Sequence[Sequence[str]], cutoffs: Sequence[int]) -> str:
    head = [title, *(f"@{cutoff:,}" for cutoff in cutoffs)]
    return aligned([head, *([SOURCES[source], *line] for source, line in zip(sources, lines, strict=True))])


def _list_table(lists: Sequence[Found], top: int) -> str:
    """What the lists are worth to their users."""
    first, *others = METRICS
    lines = [["lists", f"{METRICS[first]}@{top:,}", "", *(METRICS[metric] for metric in others)]]
    for one in lists:
        ndcg = one["metrics"][first]
        figures = [_figure(one["metrics"][metric]["value"]) for metric in others]
        lines.append([one["name"], _figure(ndcg["value"]), _interval(ndcg), *figures])
    return aligned(lines)


def _catalogue_table(lists: Sequence[Found]) -> str:
    """What the lists make of the catalogue, and how many there are."""
    lines = [["lists", "coverage", "Gini", "novelty", "diversity", "users", "rows", "short", "without"]]
    for one in lists:
        novelty = "undefined" if one["novelty"] is None else f"{one['novelty']:.2f} bit"
        counts = [f"{one[count]:,}" for count in ("users", "rows", "short_lists", "without_list")]
        lines.append(
            [one["name"], _figure(one["coverage"]), _figure(one["gini"]), novelty, _figure(one["diversity"]), *counts]
        )
    return aligned(lines)


def _loss_lines(loss: Found, top: int) -> str:
    absolute, relative = loss["absolute"], loss["relative"]
    share = "undefined"
    overlap = "undefined" if loss["overlap"] is None else f"{loss['overlap']:.1%}"
    if relative["value"] is not None:
        share = f"{relative['value']:.1%} [{relative['low']:.1%}, {relative['high']:.1%}]"
    return (
        f"NDCG@{top:,} that the first lists lack of the last   "
        f"{_figure(absolute['value'], '+')} {_interval(absolute, '+')}\n"
        f"as a share of theirs   {share}\n"
        f"videos of the last lists that are in the first too   {overlap}"
    )


def _how(report: Found) -> str:
    """What the figures mean."""
    bootstrap, users, top = report["bootstrap"], report["users"], report["top"]
    positives = f"{report['positives']:,} positive test pairs of {users:,} users"
    lines = [
        f"truth      {positives}{', seen videos left out' if report['exclude_seen'] else ''}",
        f"intervals  {bootstrap['confidence']:.0%}, of {bootstrap['resamples']:,} resamples of these users",
    ]
    if report["candidates"]:
        lines.append("adds       recall of all together less that of the others made into one without the source")
    if report["lists"]:
        lines += [
            f"metrics    means over these users at {top:,} places; one without a list counts with zeros",
            "coverage   share of the catalogue that is recommended to anyone",
            "Gini       of exposure over the catalogue: 0 all videos alike, 1 all on one",
            "novelty    of a recommendation: -log2 of the share of train users who met the video",
            "diversity  of a list: 1 less the mean likeness (Jaccard) of two videos' categories",
            f"short      lists of fewer than {top:,} videos; without: users with a positive and no list",
        ]
    return "\n".join(lines)


def _figure(value: float | None, sign: str = "") -> str:
    return "undefined" if value is None else f"{value:{sign}.4f}"


def _interval(estimate: Found, sign: str = "") -> str:
    if estimate["low"] is None:
        return ""
    return f"[{_figure(estimate['low'], sign)}, {_figure(estimate['high'], sign)}]"
