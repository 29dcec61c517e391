"""`python -m jobs.explore` as a user types it, and its page in a browser."""

import csv
import io
import json
import re
from html import unescape
from urllib.parse import unquote

import duckdb
import pytest
from browser import PAPER, look_at
from commands import run

pytestmark = pytest.mark.slow

SETTINGS = ("--raw", "raw")
LOG = "from interactions"
BY_HAND = {
    "watch_ratio": """select floor(least(watch_ratio, 3) * 20) / 20, count(*), count(*) filter (watch_ratio >= 1), null
        from interactions group by 1 order by 1""",
    "category_rates": """select category, count(distinct item_id), count(*), count(*) filter (positive_interaction),
        avg(positive_interaction::int) from interactions join
        (select distinct item_id, unnest(feat) as category from video_metadata) using (item_id)
        group by 1 order by 1""",
    "hours": """select date_part('hour', make_timestamp((timestamp * 1e6)::bigint) + interval 8 hour), count(*),
        count(*) filter (positive_interaction) from interactions where timestamp is not null group by 1 order by 1""",
    "thresholds": """select t, count(*) filter (watch_ratio >= t), count(*), avg((watch_ratio >= t)::int)
        from interactions, (values (0.5), (1.0), (2.0)) as v(t) group by t order by t""",
}
"""Figure -> its data, asked for in DuckDB's own words; NULL is not compared."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data, and the page of it."""
    folder = tmp_path_factory.mktemp("explore")
    made = run("synthesize", "--to", "raw", "--users", 80, "--items", 150, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run("explore", *SETTINGS, "--out", "report/explore.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert re.search(r"^explore  \d+ figures, 0\.\d MiB -> report/explore\.html ", done.stdout)
    return folder


@pytest.fixture(scope="module")
def document(folder):
    return (folder / "report/explore.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(folder):
    """The same page as JSON."""
    done = run("explore", *SETTINGS, "--out", "other/explore.json", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "other/explore.json").read_text(encoding="utf-8"))


@pytest.fixture
def tables(folder):
    with duckdb.connect(str(folder / "work/kraft.duckdb"), read_only=True) as connection:
        yield connection


def parts_of(page):
    return {part["name"]: part for section in page["sections"] for part in section["parts"] if "name" in part}


def csv_of(document, name):
    """The rows that hang on the page."""
    link = re.search(rf'href="data:text/csv;charset=utf-8,([^"]*)" download="{name}\.csv"', document)
    return list(csv.reader(io.StringIO(unquote(unescape(link[1])))))


@pytest.mark.parametrize("name", BY_HAND)
def test_data_on_the_page_are_those_of_duckdb_by_hand(document, tables, name):
    shown = [[float(value) for value in row] for row in csv_of(document, name)[1:]]
    expected = tables.execute(BY_HAND[name]).fetchall()
    assert len(shown) == len(expected) > 1
    for row, by_hand in zip(shown, expected, strict=True):
        known = [place for place, value in enumerate(by_hand) if value is not None]
        assert [row[place] for place in known] == pytest.approx([float(by_hand[place]) for place in known], rel=1e-12)


SHOWN_PART = {
    "interactions_a_user": lambda row: row[0] == "users",
    "interactions_a_video": lambda row: row[0] == "videos",
    "caption_categories": lambda row: row[0] is not None,
    "interactions_a_day": lambda row: row[0] is not None,
    "rate_a_day": lambda row: row[0] is not None,
}
"""Figure -> the rows of its query that it shows, where these are not all."""
ADDED_UP = {"missing", "hours", "weekdays", "cold_a_day"}
"""Figures of sums over their queries' rows, which other tests hold against these."""


def test_the_sql_on_the_page_gives_its_data_when_typed_in_the_catalog(page, tables):
    figures = {name: part for name, part in parts_of(page).items() if part["kind"] == "figure"}
    assert figures.keys() > ADDED_UP | SHOWN_PART.keys()
    for name in figures.keys() - ADDED_UP:
        result = tables.execute(figures[name]["sql"])
        columns = [column[0] for column in result.description]
        typed = list(filter(SHOWN_PART.get(name), result.fetchall()))
        shown = [tuple(row[column] for column in columns) for row in figures[name]["data"]]
        assert len(shown) == len(typed) > 0, name
        assert set(shown) == set(typed), name


def test_cold_videos_a_day_are_those_of_the_shown_sql(page, tables):
    part = parts_of(page)["cold_a_day"]
    typed = tables.sql(part["sql"].rstrip().rstrip(";"))
    expected = typed.filter("interactions > train").project("interactions - train, cold").fetchall()
    assert [(row["test"], row["cold"]) for row in part["data"]] == expected
    assert sum(row["cold"] for row in part["data"]) > 0


def test_weekdays_are_sums_of_the_shown_sql(page, tables):
    part = parts_of(page)["weekdays"]
    typed = tables.sql(part["sql"].rstrip().rstrip(";"))
    expected = typed.aggregate("weekday, sum(interactions)").order("weekday").fetchall()
    assert [(row["weekday"], row["interactions"]) for row in part["data"]] == expected


def test_missing_values_are_those_of_the_shown_sql(page, tables):
    part = parts_of(page)["missing"]
    view, *_ = re.findall(r"^create .*;$", part["sql"], re.MULTILINE)
    queries = re.findall(r"^(?:with|select)\b.*?;$", part["sql"], re.MULTILINE | re.DOTALL)
    tables.execute(view)
    counted = {}
    for place, query in zip(("log", "users", "videos"), queries, strict=True):
        result = tables.execute(query)
        names = [column[0] for column in result.description]
        counted |= {(place, name): value for name, value in zip(names, result.fetchone(), strict=True)}
    for row in part["data"]:
        assert counted[row["where"], row["column"]] == row["missing"]
        assert counted[row["where"], "total"] == row["of"]
    assert sum(row["missing"] for row in part["data"]) > 0


def test_sentences_tell_the_numbers_of_the_tables(page, tables):
    parts = parts_of(page)
    users, items, rows, pairs = tables.execute(
        "select count(distinct user_id), count(distinct item_id), count(*), count(distinct (user_id, item_id)) " + LOG
    ).fetchone()
    assert f"{pairs:,} of the {users * items:,} pairs" in parts["log"]["sentence"]
    assert page["lead"].startswith(f"{users:,} users, {items:,} videos and {rows:,} interactions")
    below, high = tables.execute(
        "select avg((watch_ratio < 1)::int), avg((watch_ratio >= 2)::int) from interactions"
    ).fetchone()
    ecdf = parts["watch_ratio_ecdf"]["sentence"]
    assert f"{below:.1%} below the threshold of 1" in ecdf
    assert f"{high:.1%} reach twice" in ecdf
    cold = tables.execute(
        "select avg((item_id not in (select item_id from interactions_train))::int) from interactions_test"
    ).fetchone()[0]
    assert f"{cold:.1%} of the test pairs" in parts["periods"]["sentence"]
    day, count = tables.execute(
        "select (make_timestamp((timestamp * 1e6)::bigint) + interval 8 hour)::date, count(*) "
        "from interactions where timestamp is not null group by 1 order by 2 desc, 1 limit 1"
    ).fetchone()
    assert f"{count:,} on {day}" in parts["interactions_a_day"]["sentence"]


def test_gini_is_that_of_the_counts(page, tables):
    for side, column in (("users", "user_id"), ("videos", "item_id")):
        counts = [row[0] for row in tables.execute(f"select count(*) {LOG} group by {column}").fetchall()]
        apart = sum(abs(one - other) for one in counts for other in counts)
        gini = apart / (2 * len(counts) * sum(counts))
        assert f"{gini:.4f}" in parts_of(page)["lorenz"]["sentence"], side


def test_every_figure_has_a_sentence_words_data_and_its_query(page):
    figures = [part for part in parts_of(page).values() if part["kind"] == "figure"]
    assert len(figures) >= 19
    for figure in figures:
        assert re.search(r"\d.*\.$", figure["sentence"]), figure["name"]
        assert figure["alt"].endswith(".")
        assert figure["data"]
        assert "-- Grain:" in figure["sql"]
        assert "undefined" not in figure["sentence"] + figure["alt"]
        assert "None" not in figure["sentence"] + figure["alt"]


def test_every_plot_has_a_picture_for_slides(folder, page):
    for where in ("report", "other"):
        pictures = sorted((folder / where / "figures").iterdir())
        assert [one.name for one in pictures] == sorted(
            f"{part['name']}.png" for part in parts_of(page).values() if part["kind"] == "figure"
        )
        assert all(one.read_bytes().startswith(b"\x89PNG") for one in pictures)
    assert all((folder / "other" / part["image"]).is_file() for part in parts_of(page).values() if part.get("image"))


def test_markdown_has_a_name_of_its_own_and_leads_to_the_pictures(folder, page):
    done = run("explore", *SETTINGS, "--format", "markdown", cwd=folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "report/explore.md").read_text(encoding="utf-8")
    assert text.startswith("# The data\n")
    images = re.findall(r"\]\((figures/\S+\.png)\)", text)
    assert len(images) >= 19
    assert all((folder / "report" / image).is_file() for image in images)
    assert all(part["sentence"] in text for part in parts_of(page).values())


def test_a_rerun_gives_the_same_page_from_the_tables_that_are_there(folder, document):
    done = run("explore", *SETTINGS, "--threads", 1, "--out", "again/explore.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "built" not in done.stdout
    again = (folder / "again/explore.html").read_text(encoding="utf-8")
    threads = re.compile(r"<dt>threads</dt><dd>.*?</dd>")
    assert threads.sub("", again) == threads.sub("", document)


def test_the_preset_documented_has_its_page_too(folder, page):
    options = (
        "--preset",
        "documented",
        "--work",
        "documented",
        "--out",
        "documented.json",
        "--format",
        "json",
        "--memory-limit",
        "512MiB",
    )
    done = run("explore", *SETTINGS, *options, "--out", "documented.json", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    made = json.loads((folder / "documented.json").read_text(encoding="utf-8"))
    assert made["sections"] == page["sections"]


def test_one_log_to_learn_from_and_another_to_test_on(folder):
    options = ("--protocol", "big-to-small", "--work", "big", "--out", "big.json", "--format", "json")
    done = run("explore", *SETTINGS, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    parts = parts_of(json.loads((folder / "big.json").read_text(encoding="utf-8")))
    assert "all of them are of the train period" in parts["interactions_a_day"]["sentence"]
    assert "cold_a_day" not in parts
    ((_, left_out, test_rows, *_),) = [row for row in parts["rejected"]["rows"] if "not in train" in row[0]]
    assert (left_out, test_rows > 0) == (0, True)


def test_a_place_that_cannot_be_written_is_told_before_any_work(folder):
    done = run("explore", *SETTINGS, "--out", "raw", "--work", "untouched", cwd=folder)
    assert done.returncode == 2
    assert "--out raw: a folder of this name is in the way" in done.stderr
    done = run("explore", *SETTINGS, "--out", "new/figures", "--work", "untouched", cwd=folder)
    assert done.returncode == 2
    assert "the pictures' folder new/figures: --out names the same file" in done.stderr
    assert not (folder / "untouched").exists()
    assert not (folder / "new").exists()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_in_a_browser(folder, width, dark):
    look = look_at(folder / "report/explore.html", width=width, dark=dark)
    assert (look.complaints, look.requests) == ([], [])
    assert look.shown["width"] <= width
    assert len(look.shown["images"]) >= 19
    assert min(min(size) for size in look.shown["images"]) > 100
    assert look.shown["smallest_text"] > 9
    assert look.shown["unnamed"] == look.shown["repeated_ids"] == look.shown["dead_links"] == 0
    assert look.shown["cut_text"] == []
    assert look.shown["downloads"] >= 19


def test_the_page_fits_on_paper(folder):
    look = look_at(folder / "report/explore.html", width=PAPER, paper=True, dark=True)
    assert look.shown["width"] <= PAPER
    assert len(look.shown["images"]) == 19
    assert look.shown["cut_text"] == []
    assert look.shown["background"] == "rgb(255, 255, 255)"
