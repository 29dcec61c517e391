"""Sections on the ranker: which features its trees are built on, what they do to the scores, and how it learned."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from kraft import columns
from kraft.formatting import figure, listed, percent, pluralize
from kraft.models.features.feature_table import FeatureTable
from kraft.models.ranker.explain import meaning
from kraft.models.ranker.training import RankerRecord, TrainedRanker
from kraft.report.page import Figure, Section, Table
from kraft.report.plots import chosen_round, named_bars

SAMPLE_ROWS, LEAST_ROWS = 2000, 100
"""Test pairs whose scores are taken apart: so many, but fewer of a long model."""
MOST_TREES = 500_000
"""Trees to take apart, over all of these pairs: some two seconds."""
SAMPLE_SEED = 42
SHOWN_FEATURES = 15
GROUPS: Final = {
    columns.WATCH_TIME: "predicted watch time",
    "length": "length of the video",
    "user": "what the user did",
    "item": "what was done with the video",
    "video": "upload, author and tag",
    "categories": "categories",
    "daily": "the platform's daily counts",
    "taste": "taste for author and categories",
    "friends": "friends",
}
"""Groups of the preset kraft's features, as people call them."""
METRIC_NAMES: Final = {"auc": "AUC", "binary_logloss": "log loss"}
LOWER_IS_BETTER: Final = frozenset({"binary_logloss"})


class Contributions(NamedTuple):
    """Scores of sampled test pairs, taken apart (TreeSHAP)."""

    values: npt.NDArray[np.float64]
    """Shape (n_rows, n_features): what each feature adds to the raw score."""
    of: int
    """Test pairs that the sample was drawn from."""


def contributions(features: FeatureTable[Any], trained: TrainedRanker, threads: int) -> Contributions:
    """Contributions of every feature to the scores of a sample of the rows, the same at every call.

    Memory: one row group of the table, and the sample.
    """
    count = min(SAMPLE_ROWS, max(LEAST_ROWS, MOST_TREES // trained.record.best_iteration), len(features))
    rows = np.sort(np.random.default_rng(SAMPLE_SEED).choice(len(features), count, replace=False))
    split = np.asarray(trained.booster.predict(features.take(rows), pred_contrib=True, num_threads=threads))
    # The last column is the average.
    return Contributions(split[:, :-1], len(features))


def group_of(feature: str) -> str:
    """What a feature is about, as people call it.

    >>> group_of("margin"), group_of("user_factor_12"), group_of("onehot_feat3")
    ('predicted watch time', "the user's ALS factors", "the user's profile")
    """
    for side, name in (("user", "user"), ("item", "video")):
        if feature.startswith(f"{side}_factor_"):
            return f"the {name}'s ALS factors"
    for group, names in {columns.WATCH_TIME: columns.WATCH_TIME_FEATURES, **columns.PAIR_FEATURE_GROUPS}.items():
        if feature in names:
            return GROUPS[group]
    return "interactions in train" if feature in columns.TRAILING_FEATURES else "the user's profile"


def sections(trained: TrainedRanker, sample: Contributions) -> list[Section]:
    """What the ranker goes by, and how it learned."""
    record = trained.record
    chosen = record.settings
    goes_by = Section(
        "What the ranker goes by",
        f"{pluralize(record.best_iteration, 'tree')} over {pluralize(len(record.feature_names), 'feature')}. "
        "Gain is what the splits on a feature took off the loss, on the rows that the trees were grown on. "
        f"A contribution is what a feature adds to the raw score of one pair ({_unit(record)}), by TreeSHAP.",
        [_gain_figure(trained), _contribution_figure(record, sample), _group_table(trained, sample)],
    )
    rows = f"{record.train_rows:,} rows to grow trees on, {record.validation_rows:,} to choose the round by"
    drawn = "random ones of the same period" if chosen.validation == "random" else "the latest"
    if record.sampled_rows < record.label_rows:
        drawn += f"; memory had room for {record.sampled_rows:,} of {record.label_rows:,} rows with a label, the newest"
    learned = Section(
        "How it learned",
        f"{rows} ({drawn}). Rounds end at {chosen.rounds:,}, or {chosen.early_stopping:,} after the last better one; "
        f"the first metric, {_metric(chosen.metric[0])}, decides.",
        [_curve(record, metric) for metric in record.history],
    )
    return [goes_by, learned]


def gains(trained: TrainedRanker) -> list[dict[str, Any]]:
    """Gain of each feature, greatest first; the factors of a side are one, since none of them means anything alone."""
    gained: dict[str, float] = {}
    for name, gain in zip(trained.record.feature_names, trained.booster.feature_importance("gain"), strict=True):
        label = group_of(name) if "_factor_" in name else name
        gained[label] = gained.get(label, 0.0) + float(gain)
    whole = sum(gained.values())
    return [
        {
            "feature": label,
            "meaning": label if " " in label else meaning(label)[0],
            "gain": gain,
            "share": gain / whole if whole else 0.0,
        }
        for label, gain in sorted(gained.items(), key=lambda item: -item[1])
    ]


def _gain_figure(trained: TrainedRanker) -> Figure:
    found = gains(trained)
    shown = [one for one in found[:SHOWN_FEATURES] if one["gain"]]
    best = [f"{one['meaning']} ({percent(one['share'])})" for one in shown[:3]]
    unused = sum(one["gain"] == 0 for one in found)
    rest = len(found) - len(shown) - unused
    sentence = f"Most of the gain comes from {listed(best)}; together {percent(sum(one['share'] for one in shown[:3]))}"
    if rest:
        sentence += f", and {percent(1 - sum(one['share'] for one in shown))} from {rest} that are not shown"
    return Figure(
        name="gain",
        title="Gain by feature",
        sentence=f"{sentence}. {unused or 'None'} of {len(found)} {'was' if unused == 1 else 'were'} never used.",
        alt=f"Bars, the largest first: {', '.join(_share_text(one['feature'], one['share']) for one in shown)}.",
        draw=named_bars({one["feature"]: 100 * one["share"] for one in shown}, x="share of the gain [%]"),
        data=found,
    )


def groups(record: RankerRecord, sample: Contributions) -> list[dict[str, Any]]:
    """Mean absolute contribution of each group of features, largest first.

    What the features of a group add to a pair's score is added up before its size is taken: parts that cancel within a
    group do nothing to the score.
    """
    indices: dict[str, list[int]] = {}
    for index, name in enumerate(record.feature_names):
        indices.setdefault(group_of(name), []).append(index)
    found = []
    for group, members in indices.items():
        added = sample.values[:, members].sum(axis=1)
        found.append(
            {
                "group": group,
                "features": len(members),
                "mean_absolute": float(np.abs(added).mean()),
                "least": float(added.min()),
                "greatest": float(added.max()),
            }
        )
    return sorted(found, key=lambda one: -one["mean_absolute"])


def _contribution_figure(record: RankerRecord, sample: Contributions) -> Figure:
    found = groups(record, sample)
    first, *others = found
    sentence = (
        f"In {pluralize(len(sample.values), 'test pair')} drawn from {sample.of:,}, {first['group']} moves the score "
        f"most: by {figure(first['mean_absolute'], digits=3)} on average"
    )
    if others and others[0]["mean_absolute"] > 0:
        times = first["mean_absolute"] / others[0]["mean_absolute"]
        sentence += f", {times:.1f} times as much as {others[0]['group']}, which comes next"
    return Figure(
        name="contributions",
        title="Contributions by group of features",
        sentence=f"{sentence}.",
        alt=f"Bars, the largest first: {', '.join(map(_size_text, found))}.",
        draw=named_bars({one["group"]: one["mean_absolute"] for one in found}, x=f"mean absolute [{_unit(record)}]"),
        data=found,
    )


def _group_table(trained: TrainedRanker, sample: Contributions) -> Table:
    shares: dict[str, float] = {}
    for one in gains(trained):
        label = one["feature"] if " " in one["feature"] else group_of(one["feature"])
        shares[label] = shares.get(label, 0.0) + one["share"]
    found = groups(trained.record, sample)
    rows = [
        [
            one["group"],
            f"{one['features']:,}",
            percent(shares[one["group"]]),
            figure(one["mean_absolute"], digits=3),
            figure(one["least"], "+", 3),
            figure(one["greatest"], "+", 3),
        ]
        for one in found
    ]
    swing = max(found, key=lambda one: one["greatest"] - one["least"])
    sentence = (
        f"The widest swing is that of {swing['group']}, from {figure(swing['least'], '+', 3)} to "
        f"{figure(swing['greatest'], '+', 3)}."
    )
    columns_ = ["group", "features", "share of the gain", "mean absolute", "least", "greatest"]
    return Table("feature_groups", "Groups of features", sentence, columns_, rows)


def _curve(record: RankerRecord, metric: str) -> Figure:
    values, best = record.history[metric], record.best_iteration
    name = _metric(metric)
    decides = metric == record.settings.metric[0]
    after = record.rounds_run - best
    sentence = (
        f"On the validation rows {name} goes from {figure(values[0])} after the first round to "
        f"{figure(values[best - 1])} in round {best:,}, the chosen one"
    )
    if decides:
        stopped = f"the {pluralize(after, 'round')} after it brought nothing better"
        sentence += f"; {stopped}" if after else "; it is the last that was allowed, so more rounds might still help"
    else:
        own = int(np.argmin(values) if metric in LOWER_IS_BETTER else np.argmax(values))
        sentence += f"; its own best is {figure(values[own])} in round {own + 1:,}"
    return Figure(
        name=f"learning_{metric}",
        title=f"Validation {name} by round",
        sentence=f"{sentence}.",
        alt=f"A line over {record.rounds_run:,} rounds, from {figure(values[0])} to {figure(values[-1])}, with a mark "
        f"at round {best:,}.",
        draw=chosen_round(values, best, y=name),
        data=[{"round": number, metric: value} for number, value in enumerate(values, start=1)],
        # Alone, it would leave half of the page empty.
        wide=len(record.history) == 1,
    )


def _unit(record: RankerRecord) -> str:
    return "log-odds" if record.settings.objective == "binary" else "raw score"


def _metric(name: str) -> str:
    return METRIC_NAMES.get(name, name)


def _size_text(group: Mapping[str, Any]) -> str:
    return f"{group['group']} {group['mean_absolute']:.3f}"


def _share_text(name: str, share: float) -> str:
    return f"{name} {percent(share)}"
