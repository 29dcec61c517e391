"""Sections on the log as a whole, and on how evenly users and videos share in it."""

from typing import TYPE_CHECKING

from kraft.formatting import listed, minute, percent, pluralize, share
from kraft.report.exploration.tables import MOST_BARS, Exploration, Row, most_frequent, some_of, with_shares
from kraft.report.page import Figure, Section, Table
from kraft.report.plots import NUMBERS, legend, named_bars, stacked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = {"users": "user", "videos": "video"}
UNKNOWN_USER = "not in user_features"
LONG = 10
"""The most active is so many times the least: only then does a logarithmic axis say more."""


def overview(found: Exploration) -> Section:
    """The log in numbers, and the platform's classes of its users."""
    return Section("The log", "", [_summary(found), _classes(found)])


def headline(found: Exploration) -> str:
    """The page in one sentence."""
    log = found.one("log_summary")
    positive = percent(share(log["positives"], log["interactions"]))
    return (
        f"{pluralize(log['users'], 'user')}, {pluralize(log['items'], 'video')} and "
        f"{pluralize(log['interactions'], 'interaction')}, of which {positive} {found.positive}."
    )


def _summary(found: Exploration) -> Table:
    log = found.one("log_summary")
    met = percent(log["density"], digits=2)
    sentence = (
        f"{log['pairs']:,} of the {log['users'] * log['items']:,} pairs of a user and a video of the log were met: "
        f"{met}, so the sparsity is {percent(1 - log['density'], digits=2)}."
    )
    rows = [
        ["users", f"{log['users']:,}"],
        ["videos", f"{log['items']:,}"],
        ["interactions", f"{log['interactions']:,}"],
        ["pairs met", f"{log['pairs']:,}"],
        ["density", met],
        ["sparsity", percent(1 - log["density"], digits=2)],
        ["positive interactions", f"{log['positives']:,}"],
        ["positive share", percent(share(log["positives"], log["interactions"]), digits=2)],
        *([["median watch ratio", f"{log['median_ratio']:.4f}"]] if found.has_ratios else []),
        *([] if log["hours"] is None else [["hours watched", f"{log['hours']:,.0f}"]]),
        ["without a timestamp", f"{log['null_timestamps']:,}"],
    ]
    if log["first_timestamp"] is not None:
        first, last = (minute(log[name]) for name in ("first_timestamp", "last_timestamp"))
        rows += [["first interaction (UTC+8)", first], ["last interaction (UTC+8)", last]]
    return Table("log", "The log in numbers", sentence, ["what", "how much"], rows, found.sql("log_summary"))


def activity(found: Exploration) -> Section:
    """Interactions a user and a video: how they are spread, and the long tail."""
    lead = "How evenly interactions are shared: among the users who watch, and among the videos that are watched."
    parts = [*(_histogram(found, side) for side in SIDES), _tail(found), _lorenz(found)]
    return Section("Activity", lead, parts)


def _histogram(found: Exploration, side: str) -> Figure:
    rows, whole = found.rows("activity_bins", side=side), found.one("activity_summary", side=side)
    one = SIDES[side]
    fullest = max(rows, key=lambda row: row["entities"])
    sentence = (
        f"A {one} has {whole['middle']:,.0f} interactions in the median, {whole['least']:,} at least and "
        f"{whole['greatest']:,} at most; {pluralize(fullest['entities'], one)} of {whole['entities']:,} "
        f"({percent(fullest['entities'] / whole['entities'])}) have {_span(fullest)}."
    )

    def draw(axes: "Axes") -> None:
        width = rows[0]["high"] - rows[0]["low"]
        lows, heights = [row["low"] for row in rows], [float(row["entities"]) for row in rows]
        stacked(lows, width, {side: ("C0", heights)}, x=f"interactions a {one}", y=side)(axes)
        if max(heights) > LONG * LONG * min(heights) and whole["greatest"] > LONG * whole["least"]:
            axes.set_yscale("log")

    return Figure(
        name=f"interactions_a_{one}",
        title=f"Interactions a {one}",
        sentence=sentence,
        alt=(
            f"Histogram of {side} by their interactions, from {whole['least']:,} to {whole['greatest']:,}, highest at "
            f"{_span(fullest)}."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("activity_bins"),
    )


def _span(row: Row) -> str:
    low, high = round(row["low"]), round(row["high"]) - 1
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _tail(found: Exploration) -> Figure:
    wholes = {side: found.one("activity_summary", side=side) for side in SIDES}
    users, videos = (percent(whole["top_tenth_share"]) for whole in wholes.values())
    rows = [row for side in SIDES for row in reversed(found.rows("activity_curve", side=side))]

    def draw(axes: "Axes") -> None:
        for number, side in enumerate(SIDES):
            curve = [row for row in rows if row["side"] == side]
            positions = [100 * (1 - row["entity_share"]) for row in curve]
            axes.step(positions, [row["interactions"] for row in curve], where="post", color=f"C{number}", label=side)
        if any(whole["greatest"] > LONG * whole["least"] for whole in wholes.values()):
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("users or videos, the most active first [%]")
        axes.set_ylabel("interactions of one")
        axes.yaxis.set_major_formatter(NUMBERS)
        legend(axes)

    return Figure(
        name="long_tail",
        title="Long tail",
        sentence=(
            f"The most watched tenth of the videos has {videos} of all interactions, and the most active tenth of the "
            f"users {users}: {_shape(wholes['videos']['top_tenth_share'])}."
        ),
        alt=(
            "Two falling lines, interactions of a user and of a video from the most to the least active: users from "
            f"{wholes['users']['greatest']:,} to {wholes['users']['least']:,}, videos from "
            f"{wholes['videos']['greatest']:,} to {wholes['videos']['least']:,}."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("activity_curve"),
    )


def _shape(top_tenth: float) -> str:
    """Of the videos, in words: a tenth that has little more than a tenth is no head of a tail."""
    if top_tenth < 0.15:  # noqa: PLR2004 - half as much again as its part
        return "this log has hardly a long tail, nearly every video is met equally often"
    return "a long tail of videos shares the rest" if top_tenth > 0.5 else "the tail of the videos is moderate"  # noqa: PLR2004


def _lorenz(found: Exploration) -> Figure:
    ginis = {side: found.one("activity_summary", side=side)["gini"] for side in SIDES}
    more, less = sorted(SIDES, key=lambda side: -ginis[side])
    rows = [row for side in SIDES for row in found.rows("activity_curve", side=side)]

    def draw(axes: "Axes") -> None:
        axes.plot([0, 100], [0, 100], color="0.5", linewidth=1, linestyle=":", label="all alike")
        for number, side in enumerate(SIDES):
            curve = [row for row in rows if row["side"] == side]
            shares = [[0, *(100 * row[name] for row in curve)] for name in ("entity_share", "interaction_share")]
            style = "-" if number == 0 else "--"
            axes.plot(*shares, color=f"C{number}", linestyle=style, label=side)
        axes.set_xlabel("users or videos, the least active first [%]")
        axes.set_ylabel("of all interactions [%]")
        legend(axes)

    return Figure(
        name="lorenz",
        title="Lorenz curve",
        sentence=(
            f"Interactions are spread less evenly over {more} (Gini coefficient {ginis[more]:.4f}) than over {less} "
            f"({ginis[less]:.4f}); 0 is all alike, 1 is one that has all."
        ),
        alt=(
            f"Lorenz curves below the line of equality; Gini coefficient of users {ginis['users']:.4f}, of videos "
            f"{ginis['videos']:.4f}."
        ),
        draw=draw,
        data=rows,
        sql=found.sql("activity_curve"),
    )


def _classes(found: Exploration) -> Figure:
    rows = with_shares(found.rows("activity_classes"))
    rates = {row["user_active_degree"] or UNKNOWN_USER: row["positive_share"] for row in rows}
    names = list(rates)
    users = sum(row["users"] for row in rows)
    first = max(rows, key=lambda row: row["users"])
    told = first["user_active_degree"] or UNKNOWN_USER
    sentence = f"{percent(first['users'] / users)} of the users of the log are {told}"
    if len(rows) > 1:
        best, worst = max(names, key=lambda name: rates[name]), min(names, key=lambda name: rates[name])
        sentence += (
            f"; {percent(rates[best])} of the interactions of {best} users are positive, and {percent(rates[worst])} "
            f"of {worst} ones"
        )
    shown = most_frequent(rows, MOST_BARS)
    counts = {row["user_active_degree"] or UNKNOWN_USER: float(row["users"]) for row in shown}
    notes = [f"{users:,.0f}, {percent(rates[name])} positive" for name, users in counts.items()]
    return Figure(
        name="activity_classes",
        title="Activity classes of the users",
        sentence=f"{sentence}.{some_of(shown, rows, 'classes')}",
        alt=f"Bars of users: {listed([f'{name} {note}' for name, note in zip(counts, notes, strict=True)])}.",
        draw=named_bars(counts, notes=notes, x="users of the log"),
        data=rows,
        sql=found.sql("activity_classes"),
    )
