"""The section on recommendations, from the report of `kraft.evaluation.lists.evaluate`."""

from typing import Any

from kraft.evaluation.list_texts import METRICS, SOURCES
from kraft.formatting import Found, figure, interval, listed, percent, pluralize, told
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import Line, lines, rows_of

TITLE = "Recommendations from the whole catalogue"
UNION = "union"
ABSENT = Text(
    "No user liked a video in the test period that was new to them, so candidates and lists cannot be evaluated."
)


def section(report: Found | None) -> Section:
    """Candidates and lists; a sentence where nothing can be evaluated."""
    if report is None:
        return Section(TITLE, "", [ABSENT])
    seen = ", seen videos left out" if report["exclude_seen"] else ""
    lead = (
        f"Lists of {report['top']:,} videos for {pluralize(report['users'], 'user')}, held against their "
        f"{pluralize(report['positives'], 'positive test pair')}{seen}. First, sources retrieve candidates out of "
        "all videos; then the ranker orders them. Recall is the share of a user's positive test pairs among the "
        "candidates, a mean over the users."
    )
    found = report["candidates"]
    parts: list[Figure | Table | Text] = [
        _recall_figure(found),
        _added_table(found),
        _list_table(report),
        _catalogue_table(report),
    ]
    return Section(TITLE, lead, parts)


def _recall_figure(candidates: Found) -> Figure:
    cutoffs, recall = candidates["cutoffs"], candidates["recall"]
    series = [Line(SOURCES[name], cutoffs, values, name == UNION) for name, values in recall.items()]
    last = cutoffs[-1]
    alone = {name: values[-1] for name, values in recall.items() if name != UNION}
    best = max(alone, key=lambda name: alone[name])
    sentence = (
        f"With {last:,} candidates a user all sources together find {percent(recall[UNION][-1])} of what users came to "
        f"like; the best alone, {SOURCES[best]}, {percent(alone[best])}"
    )
    if len(cutoffs) > 1:
        sentence += f". At {cutoffs[0]:,} candidates it is {percent(recall[UNION][0])} together"
    return Figure(
        name="candidate_recall",
        title="Recall of candidates by source",
        sentence=f"{sentence}.",
        alt=f"Recall at {cutoffs[0]:,} and {last:,} candidates: {_ends(recall)}.",
        draw=lines(series, x="candidates a user", y="recall", ticks=cutoffs),
        data=rows_of(series, "candidates", "recall"),
        wide=True,
    )


def _ends(recall: Found) -> str:
    return ", ".join(
        f"{SOURCES[name]} {figure(row[0], digits=3)} and {figure(row[-1], digits=3)}" for name, row in recall.items()
    )


def _added_table(candidates: Found) -> Table:
    cutoffs, shares = candidates["cutoffs"], candidates["shares"]
    whole = sum(shares.values())
    rows = [
        [SOURCES[name], percent(shares[name] / whole, 0), *(figure(value, "+") for value in values)]
        for name, values in candidates["added"].items()
    ]
    useful = [SOURCES[name] for name, values in candidates["added"].items() if max(values) > 0]
    idle = [SOURCES[name] for name, values in candidates["added"].items() if max(values) <= 0]
    sentence = f"At one of these numbers at least, {listed(useful)} add to what the others find"
    if idle:
        sentence += f"; nothing at any comes from {listed(idle)}"
    columns = ["source", "share of the candidates", *(f"at {cutoff:,}" for cutoff in cutoffs)]
    title = "What each source adds to the recall of the others"
    return Table("candidate_added", title, f"{sentence}.", columns, rows)


def _list_table(report: Found) -> Table:
    first, *others = METRICS
    top, lists = report["top"], report["lists"]
    columns = ["lists", f"{METRICS[first]}@{top:,}", "interval", *(METRICS[metric] for metric in others)]
    rows: list[list[Any]] = [
        [
            one["name"],
            figure(one["metrics"][first]["value"]),
            interval(one["metrics"][first]),
            *(figure(one["metrics"][metric]["value"]) for metric in others),
        ]
        for one in lists
    ]
    hit = lists[0]["metrics"]["hit_rate"]["value"]
    sentence = (
        f"Lists {lists[0]['name']} reach an {METRICS[first]}@{top:,} of {told(lists[0]['metrics'][first])}; "
        f"{percent(hit)} of the users find a video that they came to like"
    )
    if loss := report["loss"]:
        sentence += f". Against lists {loss['reference']} they lose {told(loss['absolute'])}"
        if loss["relative"]["value"] is not None:
            sentence += f", {percent(loss['relative']['value'])} of theirs"
    return Table("lists", "What the lists are worth", f"{sentence}.", columns, rows)


def _catalogue_table(report: Found) -> Table:
    """What the lists make of the catalogue."""
    lists = report["lists"]
    rows: list[list[Any]] = [
        [
            one["name"],
            one["shown"],
            percent(one["coverage"]),
            figure(one["gini"], digits=3),
            figure(one["novelty"], digits=2),
            figure(one["diversity"], digits=3),
            one["short_lists"],
            one["without_list"],
        ]
        for one in lists
    ]
    first = lists[0]
    sentence = (
        f"Lists {first['name']} show {first['shown']:,} of {pluralize(first['videos'], 'video')} to anyone; "
        f"exposure has a Gini index of {figure(first['gini'], digits=3)} (0: all videos alike, 1: all on one)."
    )
    columns = ["lists", "videos shown", "coverage", "Gini", "novelty [bit]", "diversity", "short", "users without"]
    return Table("list_variety", "What the lists make of the catalogue", sentence, columns, rows)
