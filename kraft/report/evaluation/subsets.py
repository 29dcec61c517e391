"""The section on warm and cold videos, from the report of `kraft.evaluation.score_sets.evaluate`."""

from collections.abc import Mapping

from kraft.evaluation.evaluator import AUC_METRICS, LOW_ACTIVITY_AUC, LOW_ACTIVITY_NDCG
from kraft.formatting import Found, figure, listed, percent
from kraft.report.evaluation.sets import MAIN, Sets, least_of, named_values, range_of, told_of, value_of
from kraft.report.page import Figure, Section, Table
from kraft.report.plots import ranges

COLD_AUC = AUC_METRICS["cold items"]
SUBSETS = dict(zip(AUC_METRICS, ("all videos", "warm videos", "cold videos"), strict=True))


def section(report: Found) -> Section:
    """Warm and cold videos, and the users of little activity."""
    sets: Sets = report["score_sets"]
    counts = sets[0]["ranking"]["auc"]
    warm, cold = (counts[subset]["pairs"] for subset in ("warm items", "cold items"))
    lead = (
        f"A video is warm where it occurs in train: {warm:,} test pairs. {cold:,} pairs "
        f"({percent(cold / report['pairs'])}) are of cold videos, of which nobody's interaction is known. "
        f"The {report['low_activity_users']:,} users of low activity are the quarter that was least active in train."
    )
    return Section("Warm and cold", lead, [_auc_figure(sets), _ndcg_figure(sets), _subset_table(sets)])


def _auc_figure(sets: Sets) -> Figure:
    kinds = {"warm videos": "auc warm items", "cold videos": COLD_AUC}
    warm, cold = (value_of(sets[0], metric) for metric in kinds.values())
    if warm is None or cold is None:
        sentence = (
            f"{'Warm' if warm is None else 'Cold'} test pairs lack positives or negatives, so their AUC is undefined."
        )
    else:
        word = "less" if cold < warm else "more"
        sentence = (
            f"{sets[0]['name']} tells positive from other pairs of cold videos with an AUC of "
            f"{told_of(sets[0], COLD_AUC)}, {figure(abs(warm - cold), digits=3)} {word} than those of warm ones"
        )
        if len(sets) > 1:
            best = max(sets[1:], key=lambda one: least_of(one, COLD_AUC))
            sentence += f"; of the others {best['name']} does best on cold ones, with {told_of(best, COLD_AUC)}"
        sentence += "."
    return _ranges_figure("auc_warm_cold", "AUC on warm and on cold videos", sentence, sets, kinds, "AUC")


def _ndcg_figure(sets: Sets) -> Figure:
    kinds = {
        "warm videos": "ndcg@10 warm items",
        "cold videos": "ndcg@10 cold items",
        "low activity": LOW_ACTIVITY_NDCG,
    }
    first = sets[0]
    low, everyone = value_of(first, LOW_ACTIVITY_NDCG), value_of(first, MAIN)
    warm, cold = (told_of(first, kinds[f"{kind} videos"]) for kind in ("warm", "cold"))
    sentence = f"Lists of {first['name']} made of cold videos alone reach {cold}, of warm ones {warm}"
    if low is not None and everyone is not None:
        sentence += (
            f"; users of low activity get {figure(low, digits=3)}, {figure(low - everyone, '+', 3)} against everyone"
        )
    return _ranges_figure(
        "ndcg_10_warm_cold", "NDCG@10 of parts of the test pairs", f"{sentence}.", sets, kinds, "NDCG@10"
    )


def _ranges_figure(name: str, title: str, sentence: str, sets: Sets, kinds: Mapping[str, str], x: str) -> Figure:
    values = [
        f"{kind}: {named_values({one['name']: value_of(one, metric) for one in sets})}"
        for kind, metric in kinds.items()
    ]
    return Figure(
        name=name,
        title=title,
        sentence=sentence,
        alt=f"Dots with intervals; {'; '.join(values)}.",
        draw=ranges(
            {one["name"]: [range_of(one, metric) for metric in kinds.values()] for one in sets}, list(kinds), x=x
        ),
        data=[
            {"score set": one["name"], "part": kind, **one["estimates"][metric]}
            for one in sets
            for kind, metric in kinds.items()
        ],
    )


def _subset_table(sets: Sets) -> Table:
    columns = ["score set", *(f"AUC, {text}" for text in SUBSETS.values()), "AUC, low activity"]
    rows = [
        [one["name"], *(figure(value_of(one, metric)) for metric in (*AUC_METRICS.values(), LOW_ACTIVITY_AUC))]
        for one in sets
    ]
    counts = sets[0]["ranking"]["auc"]
    shares = [
        f"{percent(counts[subset]['positives'] / counts[subset]['pairs'])} of the pairs of {text}"
        for subset, text in SUBSETS.items()
        if counts[subset]["pairs"]
    ]
    return Table("auc_parts", "AUC of parts of the test pairs", f"Positive are {listed(shares)}.", columns, rows)
