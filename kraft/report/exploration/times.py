"""Section on when people watch, with the split marked."""

from typing import TYPE_CHECKING

from kraft.formatting import ZONE, day_of, minute, percent, pluralize, share
from kraft.report.exploration.tables import Exploration, Row, with_shares
from kraft.report.page import Figure, Section, Text
from kraft.report.plots import legend, mark, stacked, upright_bars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_TICKS = 7
ENOUGH = 0.1
"""A day with less than this part of a mean day is not named for its rate."""


def section(found: Exploration) -> Section:
    """Interactions a day, by hour and weekday."""
    untimed = found.one("log_summary")["null_timestamps"]
    fate = "come after all others" if found.settings.null_timestamps == "last" else "are left out"
    lead = (
        f"Times are those of UTC+8. {pluralize(untimed, 'interaction')} without a timestamp {fate}; the plots leave "
        "them out."
    )
    if not timed_days(found):
        return Section("Time", lead, [Text("No interaction has a timestamp.")])
    return Section("Time", lead, [_days(found), _rates(found), _hours(found), _weekdays(found)])


def timed_days(found: Exploration) -> list[Row]:
    """The days of the log, with their dates."""
    rows = [row for row in found.rows("day_counts") if row["day"] is not None]
    return [{"date": str(day_of(row["day"])), **row} for row in rows]


def _cut(found: Exploration) -> tuple[float, str] | None:
    """The cut in days since 1970 and in words; None if it lies at the end, or among what has no time."""
    cut = found.one("split_cut")
    if cut["cut_timestamp"] is None or cut["n"] == cut["cut_index"]:
        return None
    return (cut["cut_timestamp"] + ZONE.total_seconds()) / 86400, minute(cut["cut_timestamp"])


def ticks(axes: "Axes", rows: list[Row]) -> None:
    """Some of the days below a plot whose axis is in days since 1970."""
    first, last = rows[0]["day"], rows[-1]["day"]
    step = max(1, -(-(last - first + 1) // MOST_TICKS))
    days = range(first, last + 1, step)
    axes.set_xticks([day + 0.5 for day in days], [f"{day_of(day):%m-%d}" for day in days])
    axes.set_xlabel("day (UTC+8)")


def _days(found: Exploration) -> Figure:
    rows, cut = timed_days(found), _cut(found)
    busiest, quietest = (choose(rows, key=lambda row: row["interactions"]) for choose in (max, min))
    train, whole = (sum(row[name] for row in rows) for name in ("train", "interactions"))
    sentence = (
        f"{pluralize(len(rows), 'day')} from {rows[0]['date']} to {rows[-1]['date']}, {whole / len(rows):,.0f} "
        f"interactions a day on average: {busiest['interactions']:,} on {busiest['date']}, "
        f"{quietest['interactions']:,} on {quietest['date']}; "
    )
    sentence += (
        f"the split cuts at {cut[1]}, after {train:,} of them." if cut else "all of them are of the train period."
    )

    def draw(axes: "Axes") -> None:
        parts = {
            "train": ("C0", [row["train"] for row in rows]),
            "test": ("C4", [row["interactions"] - row["train"] for row in rows]),
        }
        stacked([row["day"] + 0.1 for row in rows], 0.8, parts, x="", y="interactions")(axes)
        if cut:
            mark(axes, cut[0], f"split {cut[1]}")
        ticks(axes, rows)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        legend(axes)

    return Figure(
        name="interactions_a_day",
        title="Interactions a day",
        sentence=sentence,
        alt=f"Bars of {pluralize(len(rows), 'day')}, the highest on {busiest['date']}"
        + (f"; the split is marked at {cut[1]}." if cut else "."),
        draw=draw,
        data=rows,
        sql=found.sql("day_counts"),
        wide=True,
    )


def _rates(found: Exploration) -> Figure:
    cut = _cut(found)
    rows = with_shares(timed_days(found))
    mean = sum(row["interactions"] for row in rows) / len(rows)
    told = [row for row in rows if row["interactions"] >= ENOUGH * mean]
    best, worst = (choose(told, key=lambda row: row["positive_share"]) for choose in (max, min))

    def draw(axes: "Axes") -> None:
        axes.plot(
            [row["day"] + 0.5 for row in rows], [100 * row["positive_share"] for row in rows], color="C0", marker="o"
        )
        if cut:
            mark(axes, cut[0], f"split {cut[1]}")
            legend(axes)
        ticks(axes, rows)
        axes.set_ylim(0, None)
        axes.set_ylabel("positive interactions [%]")

    return Figure(
        name="rate_a_day",
        title="Positive rate a day",
        sentence=(
            f"Of the days with at least a tenth of the mean, {best['date']} has the highest share of positive "
            f"interactions, {percent(best['positive_share'])}, and {worst['date']} the lowest, "
            f"{percent(worst['positive_share'])}."
        ),
        alt=f"A line over the days from {percent(rows[0]['positive_share'])} to {percent(rows[-1]['positive_share'])}.",
        draw=draw,
        data=rows,
        sql=found.sql("day_counts"),
        wide=True,
    )


def _hours(found: Exploration) -> Figure:
    rows = _added(found, "hour", 24)
    whole = sum(row["interactions"] for row in rows)
    busiest, quietest = (choose(rows, key=lambda row: row["interactions"]) for choose in (max, min))
    return Figure(
        name="hours",
        title="By hour of the day",
        sentence=(
            f"Most is watched from {busiest['hour']}:00 to {busiest['hour'] + 1}:00, "
            f"{percent(busiest['interactions'] / whole)} of the interactions, and least from {quietest['hour']}:00 to "
            f"{quietest['hour'] + 1}:00, "
            f"{percent(quietest['interactions'] / whole)}; {_rates_text(busiest, quietest)} of these are positive."
        ),
        alt=f"24 bars, the highest at {busiest['hour']}:00, the lowest at {quietest['hour']}:00.",
        draw=upright_bars(
            [str(row["hour"]) for row in rows],
            [100 * row["interactions"] / whole for row in rows],
            x="hour (UTC+8)",
            y="interactions [%]",
            ticks=slice(None, None, 3),
        ),
        data=rows,
        sql=found.sql("week_hours"),
    )


def _weekdays(found: Exploration) -> Figure:
    rows = _added(found, "weekday", len(WEEKDAYS))
    names = [WEEKDAYS[row["weekday"]] for row in rows]
    whole = sum(row["interactions"] for row in rows)
    busiest, quietest = (choose(rows, key=lambda row: row["interactions"]) for choose in (max, min))
    first, last = (WEEKDAYS[row["weekday"]] for row in (busiest, quietest))
    return Figure(
        name="weekdays",
        title="By weekday",
        sentence=(
            f"{first} has the most, {percent(busiest['interactions'] / whole)} of the interactions, and {last} the "
            f"least, {percent(quietest['interactions'] / whole)}; {_rates_text(busiest, quietest)} of these are "
            "positive."
        ),
        alt=f"Seven bars, the highest for {first}, the lowest for {last}.",
        draw=upright_bars(
            [name[:3] for name in names],
            [100 * row["interactions"] / whole for row in rows],
            x="weekday (UTC+8)",
            y="interactions [%]",
        ),
        data=[{"name": name, **row} for name, row in zip(names, rows, strict=True)],
        sql=found.sql("week_hours"),
    )


def _rates_text(*rows: Row) -> str:
    return " and ".join(percent(share(row["positives"], row["interactions"])) for row in rows)


def _added(found: Exploration, name: str, many: int) -> list[Row]:
    """All hours of a day, or days of a week, each over the other."""
    made = []
    for value in range(many):
        rows = found.rows("week_hours", **{name: value})
        made.append({name: value, **{key: sum(row[key] for row in rows) for key in ("interactions", "positives")}})
    return made
