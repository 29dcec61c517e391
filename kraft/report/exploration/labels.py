"""Section on the label: the watch ratio, its threshold, and how the length of a video goes with it."""

from typing import TYPE_CHECKING

from kraft.formatting import listed, percent, pluralize, share
from kraft.report.exploration.tables import ENOUGH, Exploration, Row, with_shares
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import legend, lengths_axis, mark, stacked, upright_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP, LAST = 0.05, 3.0
"""Width of a step of the histogram; where all that is more is one step (`sql/exploration/ratio_bins.sql`)."""


def section(found: Exploration) -> Section:
    """Watch ratio, thresholds, positive rate by length: of these what the log has."""
    ratio = "The watch ratio is the time played over the length of the video: above 1, a video was watched again."
    label = (
        f"An interaction is positive from {found.settings.positive_threshold:g} on."
        if found.has_threshold
        else "Which interactions are positive, the description of the log says."
    )
    lead = f"{ratio} {label}" if found.has_ratios else label
    parts: list[Figure | Table | Text] = [_histogram(found)] if found.has_ratios else []
    if found.has_threshold:
        parts += [_ecdf(found), _thresholds(found)]
    if found.rows("duration_bins"):
        parts.append(_lengths(found))
    return Section("Watch ratio and label" if found.has_ratios else "Label", lead, parts)


def _histogram(found: Exploration) -> Figure:
    rows, log = found.rows("ratio_bins"), found.one("log_summary")
    threshold, whole = found.settings.positive_threshold, sum(row["interactions"] for row in rows)
    fullest = max(rows, key=lambda row: row["interactions"])
    above = sum(row["interactions"] for row in rows if row["low"] >= LAST)

    def draw(axes: "Axes") -> None:
        parts = {
            "not positive": ("C5", [100 * (row["interactions"] - row["positives"]) / whole for row in rows]),
            "positive": ("C0", [100 * row["positives"] / whole for row in rows]),
        }
        stacked(
            [row["low"] for row in rows], STEP, parts, x="watch ratio (3: all from there on)", y="interactions [%]"
        )(axes)
        if found.has_threshold:
            mark(axes, min(threshold, LAST), f"threshold {threshold:g}")
        legend(axes)

    return Figure(
        name="watch_ratio",
        title="Watch ratio",
        sentence=(
            f"Half of the interactions reach a ratio of {log['median_ratio']:.2f}; the fullest step, {_span(fullest)}, "
            f"has {percent(fullest['interactions'] / whole)} of them, {percent(above / whole)} are at 3 or more, and "
            f"{percent(share(log['positives'], log['interactions']))} {found.positive}."
        ),
        alt=(
            f"Histogram of the watch ratio from 0 to 3, highest at {_span(fullest)}"
            f"{f', with the threshold at {threshold:g} marked' if found.has_threshold else ''}."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("ratio_bins"),
        wide=True,
    )


def _span(row: Row) -> str:
    return "3 or more" if row["low"] >= LAST else f"{row['low']:.2f} to {row['low'] + STEP:.2f}"


def _ecdf(found: Exploration) -> Figure:
    rows, threshold = found.rows("ratio_bins"), found.settings.positive_threshold
    little, much = (_share_below(rows, ratio) for ratio in (0.1, 2.0))
    log = found.one("log_summary")
    at_threshold = 1 - log["positives"] / log["interactions"]

    def draw(axes: "Axes") -> None:
        axes.plot([row["low"] for row in rows], [100 * row["share_below"] for row in rows], color="C0")
        mark(axes, min(threshold, LAST), f"threshold {threshold:g}: {percent(at_threshold)} are below")
        axes.set_xlabel("watch ratio")
        axes.set_ylabel("interactions below it [%]")
        axes.set_ylim(0, 100)
        legend(axes)

    return Figure(
        name="watch_ratio_ecdf",
        title="Cumulative watch ratio",
        sentence=(
            f"{percent(little)} of the interactions end before a tenth of the video, {percent(at_threshold)} below the "
            f"threshold of {threshold:g}, and {percent(1 - much)} reach twice its length."
        ),
        alt=(
            f"A rising line: {percent(little)} below 0.1, {percent(at_threshold)} below {threshold:g}, {percent(much)} "
            "below 2."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("ratio_bins"),
    )


def _share_below(rows: list[Row], ratio: float) -> float:
    """Of the first step from ``ratio`` on; steps in which nothing falls are not there."""
    return next((float(row["share_below"]) for row in rows if row["low"] >= ratio), 1.0)


def _thresholds(found: Exploration) -> Figure:
    rows = found.rows("ratio_thresholds")
    shares = [row["share"] or 0.0 for row in rows]
    told = [f"{percent(one)} at {row['threshold']:g}" for one, row in zip(shares, rows, strict=True)]
    return Figure(
        name="thresholds",
        title="Positive at other thresholds",
        sentence=f"Of {pluralize(rows[0]['interactions'], 'interaction')}, {listed(told)} would be positive.",
        alt=f"Bars of the share of positive interactions: {listed(told)}.",
        draw=upright_bars(
            [f"{row['threshold']:g}" for row in rows],
            [100 * one for one in shares],
            x="threshold of the watch ratio",
            y="positive interactions [%]",
            notes=[percent(one) for one in shares],
        ),
        data=rows,
        sql=found.sql("ratio_thresholds"),
    )


def _lengths(found: Exploration) -> Figure:
    rows = with_shares(found.rows("duration_bins"))
    whole = sum(row["interactions"] for row in rows)
    told = [row for row in rows if row["interactions"] >= ENOUGH * whole]
    best, worst = (choose(told, key=lambda row: row["positive_share"]) for choose in (max, min))
    sentence = (
        f"{percent(best['positive_share'])} of the interactions with videos of {_length(best)} are positive, and "
        f"{percent(worst['positive_share'])} with those of {_length(worst)}; their median watch ratios are "
        f"{best['median_ratio']:.2f} and {worst['median_ratio']:.2f}."
    )

    def draw(axes: "Axes") -> None:
        middles = [(row["low"] * row["high"]) ** 0.5 for row in rows]
        axes.plot(middles, [100 * row["positive_share"] for row in rows], color="C0", marker="o", label="positive")
        axes.plot(
            middles, [100 * row["interactions"] / whole for row in rows], color="C4", marker="s", linestyle="--",
            linewidth=1.2, label="of all interactions",
        )  # fmt: skip
        lengths_axis(axes)
        axes.set_ylim(0, None)
        axes.set_ylabel("interactions [%]")
        legend(axes)

    return Figure(
        name="rate_by_length",
        title="Positive rate by length of the video",
        sentence=sentence,
        alt=(
            f"A line of the positive share over the length of the video, highest at {_length(best)}, lowest at "
            f"{_length(worst)}."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("duration_bins"),
        wide=True,
    )


def _length(row: Row) -> str:
    return f"{row['low']:.1f} to {row['high']:.1f} s"
