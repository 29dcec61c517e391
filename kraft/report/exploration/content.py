"""Section on categories: how many a video has, how frequent each is, and how often it is liked."""

from kraft.formatting import listed, percent, pluralize
from kraft.report.exploration.tables import (
    ENOUGH,
    MOST_BARS,
    MOST_DOTS,
    Exploration,
    Row,
    most_frequent,
    some_of,
    with_shares,
)
from kraft.report.page import Figure, Section, Text
from kraft.report.plots import named_bars, named_dots, upright_bars


def section(found: Exploration) -> Section:
    """Categories an item, category frequency against positive rate, names."""
    lead = "A video has one content category or more, numbered; its caption has a category with a name."
    named = [row for row in found.rows("caption_rates") if row["name"] is not None]
    parts = [
        _counts(found),
        _captions(found, named) if named else Text("No caption of a video of the log has a named category."),
        _rates(found) if found.rows("category_rates") else Text("No video of the log has a content category."),
    ]
    return Section("Categories", lead, parts)


def _counts(found: Exploration) -> Figure:
    rows = with_shares(found.rows("category_counts"))
    videos = sum(row["videos"] for row in rows)
    shown = most_frequent(rows, MOST_BARS)
    told = [f"{percent(row['videos'] / videos)} have {row['num_categories'] or 'none'}" for row in shown]
    mean = sum(row["videos"] * row["num_categories"] for row in rows) / videos
    return Figure(
        name="categories_a_video",
        title="Categories a video",
        sentence=f"Of {pluralize(videos, 'video')} of the log {listed(told)}: {mean:.2f} on average."
        + some_of(shown, rows, "numbers of categories"),
        alt=f"Bars of videos by the number of their categories: {listed(told)}.",
        draw=upright_bars(
            [str(row["num_categories"]) for row in shown],
            [row["videos"] for row in shown],
            x="categories of a video",
            y="videos",
            notes=[f"{row['videos']:,}" for row in shown],
        ),
        data=rows,
        sql=found.sql("category_counts"),
    )


def _rates(found: Exploration) -> Figure:
    rows = with_shares(found.rows("category_rates"))
    whole = found.one("log_summary")["interactions"]
    told = [row for row in rows if row["interactions"] >= ENOUGH * whole] or rows
    largest = max(rows, key=lambda row: row["interactions"])
    best, worst = (choose(told, key=lambda row: row["positive_share"]) for choose in (max, min))
    shown = most_frequent(rows, MOST_DOTS)
    sentence = (
        f"Of {pluralize(len(rows), 'category', 'categories')}, {largest['category']} is the most frequent: "
        f"{percent(largest['interactions'] / whole)} of the interactions, {percent(largest['positive_share'])} of them "
        f"positive; the rate is highest in {best['category']} ({percent(best['positive_share'])}) and lowest in "
        f"{worst['category']} ({percent(worst['positive_share'])})." + some_of(shown, rows, "categories")
    )

    positions = [(100 * row["interactions"] / whole, 100 * row["positive_share"]) for row in shown]
    names = [str(row["category"]) for row in shown]
    return Figure(
        name="category_rates",
        title="Category frequency against positive rate",
        sentence=sentence,
        alt=(
            "A dot a category, its number beside it: frequency to the right, positive rate upwards, from "
            f"{worst['category']} to {best['category']}."
        ),
        draw=named_dots(names, positions, x="frequency: of all interactions [%]", y="positive interactions [%]"),
        data=rows,
        sql=found.sql("category_rates"),
        wide=True,
        height=4,
    )


def _captions(found: Exploration, named: list[Row]) -> Figure:
    rows = with_shares(named)
    whole = found.one("log_summary")["interactions"]
    shown = rows[:MOST_BARS]
    best = max(shown, key=lambda row: row["positive_share"])
    sentence = (
        f"{shown[0]['name']} has {percent(shown[0]['interactions'] / whole)} of the interactions, "
        f"{percent(shown[0]['positive_share'])} of them positive; of the {len(shown)} most frequent of {len(rows)} "
        f"names {best['name']} is liked most, {percent(best['positive_share'])}."
    )
    notes = [f"{percent(row['positive_share'])} positive" for row in shown]
    told = [f"{row['name']} {note}" for row, note in zip(shown, notes, strict=True)]
    return Figure(
        name="caption_categories",
        title="Categories of the captions",
        sentence=sentence,
        alt=f"Bars, the most frequent first: {listed(told)}.",
        draw=named_bars(
            {row["name"]: 100 * row["interactions"] / whole for row in shown}, notes=notes, x="of all interactions [%]"
        ),
        data=rows,
        sql=found.sql("caption_rates"),
    )
