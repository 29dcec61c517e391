"""Sections on the scores: what they are worth, and place by place.

Everything is read from the report of `kraft.evaluation.score_sets.evaluate`; nothing is computed here but differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kraft.evaluation.ranking import METRICS
from kraft.formatting import Found, figure, interval, listed, pairs, percent, pluralize, told
from kraft.report.evaluation.sets import MAIN, Sets, least_of, named_values, range_of, told_of, value_of
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import Line, Range, lines, ranges, rows_of
from kraft.stages.preset import PRESETS

SHOWN = {
    "NDCG@10": MAIN,
    "NDCG@50": "ndcg@50",
    "precision@10": "precision@10",
    "recall@50": "recall@50",
    "AUC": "auc",
}
WITH_INTERVALS = (MAIN, "auc")
"""Of `SHOWN`, those whose intervals stand in the table too."""
PAIRED = {"NDCG@10": MAIN, "AUC": "auc", "AUC warm": "auc warm items", "AUC cold": "auc cold items"}


def headline(report: Found) -> str:
    """The evaluated scores against the best of the others."""
    first, *others = report["score_sets"]
    own = f"The scores of {first['name']} reach an NDCG@10 of {told(first['estimates'][MAIN])}"
    if not others:
        return f"{own}; nothing else was evaluated beside them."
    best = max(others, key=lambda one: one["estimates"][MAIN]["value"])
    paired = best["first_minus_this"][MAIN]
    side = "over" if paired["value"] >= 0 else "under"
    return (
        f"{own}: {told(paired, '+')} {side} {best['name']}, the best of the {len(others)} others"
        f"{'' if _is_sure(paired) else ', a difference that chance could make'}."
    )


def worth(report: Found) -> Section:
    """Metrics with intervals, and what the evaluated scores are worth over each of the others."""
    sets: Sets = report["score_sets"]
    drawn, count, positives = report["bootstrap"], report["pairs"], report["positives"]
    lead = (
        f"{pluralize(count, 'test pair')}, {positives:,} of them positive ({percent(positives / count)}). Figures are "
        f"means over the {pluralize(report['users_evaluated'], 'user')} with a positive test pair; intervals cover "
        f"{drawn['confidence']:.0%} of {drawn['resamples']:,} resamples of the users, and differences are paired: both "
        "score sets meet the same resamples."
    )
    parts: list[Figure | Table | Text] = [_metrics_table(sets, drawn["confidence"]), _ranking_figure(sets)]
    if len(sets) > 1:
        parts += [_difference_figure(sets), _difference_table(sets, drawn["confidence"])]
    parts += [Text(f"{note[:1].upper()}{note[1:]}.") for note in report["notes"]]
    absent = sorted(PRESETS.keys() - {one["name"] for one in sets})
    if absent:
        commands = listed([f"python -m jobs.score --preset {preset}" for preset in absent])
        parts.append(Text(f"Not scored: the preset {listed(absent)}. {commands} puts it beside."))
    return Section("What the scores are worth", lead, parts)


def _metrics_table(sets: Sets, confidence: float) -> Table:
    columns = ["score set"]
    for label, metric in SHOWN.items():
        columns += [label, f"{label} {confidence:.0%}"] if metric in WITH_INTERVALS else [label]
    rows = []
    for one in sets:
        row = [one["name"]]
        for metric in SHOWN.values():
            found = one["estimates"][metric]
            row += [figure(found["value"]), interval(found)] if metric in WITH_INTERVALS else [figure(found["value"])]
        rows.append(row)
    leads = {label: max(sets, key=lambda one: least_of(one, metric))["name"] for label, metric in SHOWN.items()}
    winners = {name: [label for label in leads if leads[label] == name] for name in dict.fromkeys(leads.values())}
    sentence = "; ".join(f"{name} leads in {listed(labels)}" for name, labels in winners.items())
    if len(sets) == 1:
        sentence = f"{sets[0]['name']} has an AUC of {told_of(sets[0], 'auc')} over all test pairs"
    return Table("score_sets", "Metrics of all score sets", f"{sentence}.", columns, rows)


def _ranking_figure(sets: Sets) -> Figure:
    ranked = sorted(sets, key=lambda one: -one["estimates"][MAIN]["value"])
    names = [one["name"] for one in ranked]
    rank = names.index(sets[0]["name"]) + 1
    sentence = f"{sets[0]['name']} reaches {told_of(sets[0], MAIN)}"
    if len(sets) > 1:
        sentence = f"{sets[0]['name']} is number {rank} of {len(sets)} with {told_of(sets[0], MAIN)}"
        other = ranked[1] if rank == 1 else ranked[0]
        paired = other["first_minus_this"][MAIN]
        where = "the next" if rank == 1 else "the best"
        sentence += (
            f"; {where} is {other['name']} with {told(other['estimates'][MAIN])}, a difference of {told(paired, '+')}"
        )
    return Figure(
        name="ndcg_10",
        title="NDCG@10 of all score sets",
        sentence=f"{sentence}.",
        alt=f"Dots with intervals, best first: {named_values({one['name']: value_of(one, MAIN) for one in ranked})}.",
        draw=ranges({one["name"]: [range_of(one, MAIN)] for one in ranked}, [MAIN], x="NDCG@10"),
        data=[{"score set": one["name"], **one["estimates"][MAIN]} for one in ranked],
    )


def _difference_figure(sets: Sets) -> Figure:
    first, *others = sets
    ranked = sorted(others, key=lambda one: -one["first_minus_this"][MAIN]["value"])
    verdicts: dict[str, list[str]] = {"surely above": [], "surely below": [], "not to be told from": []}
    for one in ranked:
        paired = one["first_minus_this"][MAIN]
        side = "surely above" if paired["value"] > 0 else "surely below"
        verdicts[side if _is_sure(paired) else "not to be told from"].append(one["name"])
    said = [f"{verdict} {listed(names)}" for verdict, names in verdicts.items() if names]
    values = {one["name"]: one["first_minus_this"][MAIN] for one in ranked}
    least = told(values[ranked[-1]["name"]], "+")
    return Figure(
        name="ndcg_10_differences",
        title=f"NDCG@10 of {first['name']} less that of each other",
        sentence=f"{first['name']} is {'; '.join(said)}. The least difference is {least}, to {ranked[-1]['name']}.",
        alt=f"Dots with intervals: {pairs({name: told(paired, '+') for name, paired in values.items()})}.",
        draw=ranges(
            {name: [Range(**paired)] for name, paired in values.items()}, [MAIN], x="difference in NDCG@10", zero=True
        ),
        data=[{"score set": name, **paired} for name, paired in values.items()],
    )


def _difference_table(sets: Sets, confidence: float) -> Table:
    first, *others = sets
    columns = ["score set", *(text for label in PAIRED for text in (label, f"{label} {confidence:.0%}"))]
    rows = [
        [one["name"], *(text for metric in PAIRED.values() for text in _signed(one["first_minus_this"][metric]))]
        for one in others
    ]
    closest = {label: min(others, key=lambda one: _difference(one, metric)) for label, metric in PAIRED.items()}
    said = [
        f"in {label} {one['name']}, {told(one['first_minus_this'][PAIRED[label]], '+')}"
        for label, one in closest.items()
    ]
    sentence = f"Hardest to beat is {'; '.join(said)}."
    return Table("differences", f"Metrics of {first['name']} less those of each other", sentence, columns, rows)


def curves(report: Found) -> Section:
    """Precision, recall and NDCG over the places that count."""
    sets: Sets = report["score_sets"]
    cutoffs = [int(cutoff) for cutoff in sets[0]["ranking"]["metrics"]["ndcg"]]
    lead = (
        f"The same lists, cut at {listed([f'{cutoff:,}' for cutoff in cutoffs])} places. Where a user has fewer test "
        "pairs than places, precision still divides by all places."
    )
    ndcg = _curve(sets, "ndcg", METRICS["ndcg"], cutoffs)
    others = [_curve(sets, metric, label, cutoffs) for metric, label in METRICS.items() if metric != "ndcg"]
    return Section("Place by place", lead, [replace(ndcg, wide=True), *others])


def _curve(sets: Sets, metric: str, label: str, cutoffs: Sequence[int]) -> Figure:
    values = {one["name"]: list(one["ranking"]["metrics"][metric].values()) for one in sets}
    series = [Line(one["name"], cutoffs, values[one["name"]], not one["baseline"]) for one in sets]
    ends = {name: f"{figure(row[0], digits=3)} and {figure(row[-1], digits=3)}" for name, row in values.items()}
    return Figure(
        name=f"{metric}_at_k",
        title=f"{label} over places",
        sentence=_curve_sentence(sets[0]["name"], label, values, cutoffs),
        alt=f"{label} at {cutoffs[0]:,} and at {cutoffs[-1]:,} places: {pairs(ends)}.",
        draw=lines(series, x="places that count (K)", y=f"{label}@K", ticks=cutoffs),
        data=rows_of(series, "K", metric),
    )


def _curve_sentence(first: str, label: str, values: Mapping[str, Sequence[float]], cutoffs: Sequence[int]) -> str:
    own = values[first]
    way = f"{figure(own[0], digits=3)} at {cutoffs[0]:,} to {figure(own[-1], digits=3)} at {cutoffs[-1]:,} places"
    sentence = f"{label} of {first} goes from {way}"
    if len(values) > 1:
        beaten = [
            f"{cutoff:,}"
            for index, cutoff in enumerate(cutoffs)
            if max(row[index] for row in values.values()) > own[index]
        ]
        sentence += f"; another is higher at {listed(beaten)}" if beaten else "; no other is higher at any of them"
    return f"{sentence}."


def _difference(one: Found, metric: str) -> float:
    """What the evaluated scores have over these, for finding the least; what is undefined comes last."""
    value = one["first_minus_this"][metric]["value"]
    return float("inf") if value is None else float(value)


def _signed(estimate: Found) -> tuple[str, str]:
    return figure(estimate["value"], "+", 3), interval(estimate, "+", 3)


def _is_sure(estimate: Found) -> bool:
    """Whether the interval leaves out 0."""
    return estimate["low"] is not None and (estimate["low"] > 0 or estimate["high"] < 0)
