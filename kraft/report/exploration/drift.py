"""Section on how the test period differs from the train period."""

from typing import TYPE_CHECKING

from kraft.formatting import day_of, percent, pluralize, share
from kraft.report.exploration.tables import Exploration, Row
from kraft.report.page import Figure, Section, Table, Text
from kraft.report.plots import legend, lengths_axis, upright_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Train against test"
MOST_TICKS = 8


def section(found: Exploration) -> Section:
    """Train against test."""
    if not found.rows("period_drift", period="test"):
        return Section(TITLE, "", [Text("No pair of the test period is of a user whom train knows.")])
    train, test = (found.one("period_drift", period=period) for period in ("train", "test"))
    lead = (
        f"A model that learns from {pluralize(train['pairs'], 'pair')} of the train period is asked about "
        f"{pluralize(test['pairs'], 'pair')} of the test period. Both are counted in pairs of a user and a video."
    )
    parts: list[Figure | Table | Text] = [_periods(found, train, test)]
    if found.rows("period_lengths"):
        parts.append(_lengths(found, train, test))
    days = [row for row in found.rows("day_counts") if row["interactions"] > row["train"]]
    if days:
        parts.append(_cold(found, days))
    return Section(TITLE, lead, parts)


def _periods(found: Exploration, train: Row, test: Row) -> Table:
    rates = [share(row["positives"], row["pairs"]) for row in (train, test)]
    before, after = (one or 0.0 for one in rates)
    change = "falls" if after < before else "rises" if after > before else "stays"
    cold = percent(share(test["cold_pairs"], test["pairs"]))
    untimed, untimed_in_train = (percent(share(row["null_timestamps"], row["pairs"])) for row in (test, train))
    sentence = (
        f"The share of positive pairs {change} from {percent(rates[0])} to {percent(rates[1])}; {cold} of the test "
        f"pairs are of {pluralize(test['cold_items'], 'video')} that train has not, and {untimed} have no timestamp, "
        f"against {untimed_in_train} in train."
    )
    rows = [["pairs", f"{train['pairs']:,}", f"{test['pairs']:,}"]]
    rows += [[name, f"{train[name]:,}", f"{test[name]:,}"] for name in ("users",)]
    rows += [["videos", f"{train['items']:,}", f"{test['items']:,}"]]
    for text, name in (
        ("positive", "positives"),
        ("of cold videos", "cold_pairs"),
        ("without a timestamp", "null_timestamps"),
    ):
        rows.append([text, *(f"{percent(share(row[name], row['pairs']), 2)}" for row in (train, test))])
    seconds = [row["median_seconds"] for row in (train, test)]
    if any(one is not None for one in seconds):
        rows.append(["median length of the video", *("unknown" if one is None else f"{one:.2f} s" for one in seconds)])
    return Table(
        "periods", "Train and test side by side", sentence, ["pairs", "train", "test"], rows, found.sql("period_drift")
    )


def _cold(found: Exploration, days: list[Row]) -> Figure:
    rows = [
        {
            "date": "no time" if row["day"] is None else str(day_of(row["day"])),
            "test": row["interactions"] - row["train"],
            "cold": row["cold"],
            "share": row["cold"] / (row["interactions"] - row["train"]),
        }
        for row in days
    ]
    whole = {name: sum(row[name] for row in rows) for name in ("test", "cold")}
    of_all = percent(whole["cold"] / whole["test"])
    sentence = f"{of_all} of the {whole['test']:,} interactions after the cut are of cold videos"
    timed = [row for row in rows if row["date"] != "no time"]
    if timed:
        sentence += ": " + ", ".join(f"{percent(row['share'])} on {row['date']}" for row in (timed[0], timed[-1]))
    untimed = [row for row in rows if row["date"] == "no time"]
    if untimed:
        sentence += f"; {percent(untimed[0]['share'])} of the {untimed[0]['test']:,} without a timestamp"
    return Figure(
        name="cold_a_day",
        title="Cold videos in the test period",
        sentence=f"{sentence}.",
        alt=(
            "A bar a day of the test period, and one for what has no time: the share of cold videos, from "
            f"{percent(rows[0]['share'])} to {percent(rows[-1]['share'])}."
        ),
        draw=upright_bars(
            [row["date"][5:] if row["date"] != "no time" else "no time" for row in rows],
            [100 * row["share"] for row in rows],
            x="day (UTC+8)",
            y="of cold videos [%]",
            # From the end: the last bar is that of another kind.
            ticks=slice(None, None, -max(1, -(-len(rows) // MOST_TICKS))),
        ),
        data=rows,
        sql=found.sql("day_counts"),
        wide=True,
    )


def _lengths(found: Exploration, train: Row, test: Row) -> Figure:
    rows = found.rows("period_lengths")
    apart = {
        step: sum(
            row["share"] * (1 if row["period"] == "test" else -1) for row in found.rows("period_lengths", step=step)
        )
        for step in {row["step"] for row in rows}
    }
    # Half of the sum of what changed is what would have to move.
    moved = sum(map(abs, apart.values())) / 2

    def draw(axes: "Axes") -> None:
        for number, (period, style) in enumerate((("train", "-"), ("test", "--"))):
            curve = found.rows("period_lengths", period=period)
            axes.plot(
                [row["low"] for row in curve],
                [100 * row["share"] for row in curve],
                color=f"C{number}",
                linestyle=style,
                marker="os"[number],
                label=period,
            )
        lengths_axis(axes)
        axes.set_ylim(0, None)
        axes.set_ylabel("of the period [%]")
        legend(axes)

    return Figure(
        name="length_drift",
        title="Lengths in train and test",
        sentence=(
            f"{percent(moved)} of the test period would have to be of other lengths to be spread as the train period "
            f"is; the median is {_seconds(train)} in train and {_seconds(test)} in test."
        ),
        alt="Two lines, train and test, of the share of each length of the video.",
        draw=draw,
        data=rows,
        sql=found.sql("period_lengths"),
    )


def _seconds(row: Row) -> str:
    return "unknown" if row["median_seconds"] is None else f"{row['median_seconds']:.1f} s"
