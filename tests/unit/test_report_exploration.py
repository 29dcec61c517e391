"""The page of the data, also of logs that lack something: it is always whole, and says what is not there."""

import json
from dataclasses import replace

import duckdb
import pytest
from small_log import Row, log_rows, run_build, write_raw

from kraft.engine.workspace.store import Store
from kraft.report.exploration import activity, content, drift, labels, quality, tables, times
from kraft.report.exploration.data_page import page
from kraft.report.figures import png, svg
from kraft.report.page import Figure, Text, to_html
from kraft.report.stages import MakeDataPage, make_data_page
from kraft.settings import Settings

pytestmark = pytest.mark.slow

DAY = 86400
MIDNIGHT = 1593878400
"""2020-07-05 00:00 in UTC+8, a Sunday."""
CAPTIONS = """video_id,caption,topic_tag,first_level_category_id,second_level_category_id,third_level_category_id,\
first_level_category_name
10,a,[],1,2,3,宠物
11,b,[],4,2,3,美食
12,c,[],-124,2,3,UNKNOWN
"""


def found_in(tmp_path, rows, *, captions="", users=range(6), **settings):
    """The exploration of a log."""
    raw = write_raw(tmp_path / "raw", rows, users)
    if captions:
        (raw / "kuairec_caption_category.csv").write_text(captions, encoding="utf-8")
    work = tmp_path / "work"
    run_build(raw, work, tables=list(tables.inputs()), **settings)
    return tables.run(Settings(raw=raw, work=work, threads=1, quiet=True, **settings))


def parts_of(section):
    return {part.name: part for part in section.parts if not isinstance(part, Text)}


def texts_of(section):
    return [part.text for part in section.parts if isinstance(part, Text)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return found_in(tmp_path_factory.mktemp("found"), log_rows(), captions=CAPTIONS)


def test_the_log_in_one_sentence(found):
    # 60 rows of 6 users and 7 videos; every pair is met once or twice, every third row is positive.
    assert activity.headline(found) == (
        "6 users, 7 videos and 60 interactions, of which 33.3% reach a watch ratio of 1."
    )
    table, classes = activity.overview(found).parts
    assert (
        table.sentence
        == "42 of the 42 pairs of a user and a video of the log were met: 100.00%, so the sparsity is 0.00%."
    )
    assert classes.sentence == "100.0% of the users of the log are full_active."
    told = dict(table.rows)
    assert (told["positive interactions"], told["without a timestamp"], told["hours watched"]) == ("20", "5", "0")
    assert told["first interaction (UTC+8)"] == "2020-07-05 00:08"


def test_activity_is_told_for_users_and_videos(found):
    parts = parts_of(activity.activity(found))
    assert parts["interactions_a_user"].sentence == (
        "A user has 10 interactions in the median, 10 at least and 10 at most; 6 users of 6 (100.0%) have 10."
    )
    # 60 rows over 7 videos: four have 9, three have 8.
    assert parts["interactions_a_video"].sentence == (
        "A video has 9 interactions in the median, 8 at least and 9 at most; 4 videos of 7 (57.1%) have 9."
    )
    assert "the most active tenth of the users 16.7%" in parts["long_tail"].sentence


def test_the_shape_of_the_tail_is_named_by_its_head(tmp_path):
    rows = [Row(user_id=1, video_id=10, timestamp=MIDNIGHT + second) for second in range(1, 40)]
    rows += [Row(user_id=2, video_id=video, timestamp=MIDNIGHT + 50 + video) for video in range(10, 17)]
    parts = parts_of(activity.activity(found_in(tmp_path, rows)))
    # One of 7 videos has 40 of 46 interactions; one of 2 users 39 of 46.
    assert parts["long_tail"].sentence == (
        "The most watched tenth of the videos has 87.0% of all interactions, and the most active tenth of the users "
        "84.8%: a long tail of videos shares the rest."
    )
    assert "less evenly over videos (Gini coefficient 0.7267) than over users (0.3478)" in parts["lorenz"].sentence


def test_ratio_and_label(found):
    section = labels.section(found)
    parts = parts_of(section)
    assert section.lead.endswith("An interaction is positive from 1 on.")
    assert parts["watch_ratio"].sentence == (
        "Half of the interactions reach a ratio of 0.50; the fullest step, 0.50 to 0.55, has 66.7% of them, 0.0% are "
        "at 3 or more, and 33.3% reach a watch ratio of 1."
    )
    assert parts["watch_ratio_ecdf"].sentence == (
        "0.0% of the interactions end before a tenth of the video, 66.7% below the threshold of 1, and 0.0% reach "
        "twice its length."
    )
    assert parts["thresholds"].sentence == (
        "Of 60 interactions, 100.0% at 0.5, 33.3% at 1 and 0.0% at 2 would be positive."
    )
    assert parts["rate_by_length"].sentence.startswith(
        "33.3% of the interactions with videos of 9.5 to 12.2 s are positive"
    )


def test_another_threshold_is_the_one_that_is_told(tmp_path):
    section = labels.section(found_in(tmp_path, log_rows(), positive_threshold=0.5))
    assert "100.0% reach a watch ratio of 0.5" in parts_of(section)["watch_ratio"].sentence
    assert "0.0% below the threshold of 0.5" in parts_of(section)["watch_ratio_ecdf"].sentence


def test_the_split_is_marked_where_it_cuts(tmp_path):
    # Two rows on each of five days, the last two without a time: the cut of 8 of 10 rows is at the end of day 4.
    rows = [
        Row(
            user_id=number % 2, video_id=10 + number // 2, timestamp=MIDNIGHT + DAY * (number // 2) + 3600 * 20 + number
        )
        for number in range(10)
    ]
    section = times.section(found_in(tmp_path, rows))
    assert parts_of(section)["interactions_a_day"].sentence == (
        "5 days from 2020-07-05 to 2020-07-09, 2 interactions a day on average: 2 on 2020-07-05, 2 on 2020-07-05; the "
        "split cuts at 2020-07-08 20:00, after 8 of them."
    )
    assert parts_of(section)["hours"].sentence.startswith(
        "Most is watched from 20:00 to 21:00, 100.0% of the interactions"
    )
    assert "Sunday has the most" not in parts_of(section)["weekdays"].sentence
    shown = {row["name"]: row["interactions"] for row in parts_of(section)["weekdays"].data}
    assert shown == {
        "Monday": 2, "Tuesday": 2, "Wednesday": 2, "Thursday": 2, "Friday": 0, "Saturday": 0, "Sunday": 2,
    }  # fmt: skip


def test_a_log_without_any_time(tmp_path):
    rows = [row._replace(timestamp=None, date=None) for row in log_rows()]
    found = found_in(tmp_path, rows)
    assert texts_of(times.section(found)) == ["No interaction has a timestamp."]
    cold = parts_of(drift.section(found))["cold_a_day"]
    assert [row["date"] for row in cold.data] == ["no time"]
    assert "first interaction (UTC+8)" not in dict(activity.overview(found).parts[0].rows)
    assert to_html(page(found))


def test_what_has_no_time_is_left_out_where_asked(tmp_path):
    found = found_in(tmp_path, log_rows(), null_timestamps="drop")
    assert "5 interactions without a timestamp are left out" in times.section(found).lead
    assert "5 (log: no timestamp)" in parts_of(quality.section(found))["rejected"].sentence
    assert [row["day"] for row in found.rows("day_counts") if row["day"] is None] == []


def test_names_of_captions_are_shown_where_they_are_known(found, tmp_path):
    parts = parts_of(content.section(found))
    assert [row["name"] for row in parts["caption_categories"].data] == ["宠物", "美食"]
    assert parts["caption_categories"].sentence.startswith("宠物 has 15.0% of the interactions")
    without = content.section(found_in(tmp_path, log_rows()))
    assert texts_of(without) == ["No caption of a video of the log has a named category."]


def test_captions_may_lack_their_names(tmp_path):
    nameless = CAPTIONS.replace("first_level_category_name", "another").replace("宠物", "x")
    section = content.section(found_in(tmp_path, log_rows(), captions=nameless))
    assert texts_of(section) == ["No caption of a video of the log has a named category."]


def test_categories_are_counted_by_video(found):
    parts = parts_of(content.section(found))
    # write_raw gives each of the videos its own number and 8.
    assert parts["categories_a_video"].sentence == "Of 7 videos of the log 100.0% have 2: 2.00 on average."
    assert parts["category_rates"].sentence.startswith(
        "Of 8 categories, 8 is the most frequent: 100.0% of the interactions, 33.3% of them positive"
    )


def with_many_names(found, count=20_000):
    """The exploration with a class of users, a category and a number of categories for each of ``count``, the first
    the least frequent.
    """
    counts = {"videos": 1, "users": 1, "positives": 1}
    made = {
        "activity_classes": [{"user_active_degree": f"class {n}", "interactions": count - n} for n in range(count)],
        "category_rates": [{"category": 10**8 + n, "interactions": n + 1} for n in range(count)],
        "category_counts": [{"num_categories": n, "interactions": n + 1} for n in range(count)],
    }
    rows = {name: [counts | row for row in listed] for name, listed in made.items()}
    return replace(found, tables={**found.tables, **rows})


def test_what_occurs_does_not_size_a_plot(found):
    many = with_many_names(found)
    parts = parts_of(content.section(many)) | parts_of(activity.overview(many))
    expected = {
        "activity_classes": (tables.MOST_BARS, "classes"),
        "category_rates": (tables.MOST_DOTS, "categories"),
        "categories_a_video": (tables.MOST_BARS, "numbers of categories"),
    }
    for name, (most, things) in expected.items():
        part = parts[name]
        assert part.sentence.endswith(f"The plot shows the {most} most frequent of 20,000 {things}.")
        assert len(part.data) == 20_000
        assert len(part.alt) < 1000
        assert len(svg(part.draw, name=name, alt=part.alt)) < 200_000
        assert png(part.draw, title=name)[:4] == b"\x89PNG"
    assert "class 0 1," in parts["activity_classes"].alt
    assert "have 19999" in parts["categories_a_video"].alt


def test_a_log_of_videos_without_categories(tmp_path):
    section = content.section(found_in(tmp_path, [row._replace(video_id=99) for row in log_rows()]))
    assert texts_of(section)[1] == "No video of the log has a content category."
    assert (
        parts_of(section)["categories_a_video"].sentence == "Of 1 video of the log 100.0% have none: 0.00 on average."
    )


def test_missing_values_are_told_with_their_columns(found):
    missing = parts_of(quality.section(found))["missing"]
    told = {(row["where"], row["column"]): (row["missing"], row["of"]) for row in missing.data if row["missing"]}
    assert told[("users", "onehot_feat4")] == (1, 6)
    assert told[("log", "timestamp")] == (5, 60)
    # No daily file: nothing is known of authors and uploads.
    assert told[("videos", "author_id")] == (7, 7)
    assert "of the log, date 8.3% and timestamp 8.3%" in missing.sentence


def test_rejected_rows_are_told_with_their_reasons(tmp_path):
    # An exact copy, and after the cut a row of user 5, whom train does not know.
    rows = [Row(user_id=number % 3, video_id=10 + number % 7, timestamp=MIDNIGHT + number) for number in range(10)]
    rows += [rows[0], Row(user_id=5, video_id=10, timestamp=MIDNIGHT + DAY)]
    table = parts_of(quality.section(found_in(tmp_path, rows)))["rejected"]
    assert table.sentence == (
        "Left out or merged: 1 (log: exact copies of another row) and 1 (test rows: of users who are not in train)."
    )
    assert [row[1:4] for row in table.rows[:3]] == [[1, 12, "8.3%"], [0, 11, "0.0%"], [1, 3, "33.3%"]]


def test_a_test_period_of_strangers_alone(tmp_path):
    rows = [Row(user_id=1, video_id=10 + number, timestamp=MIDNIGHT + number) for number in range(6)]
    rows.append(Row(user_id=2, video_id=10, timestamp=MIDNIGHT + DAY))
    found = found_in(tmp_path, rows, train_fraction=0.9)
    assert texts_of(drift.section(found)) == ["No pair of the test period is of a user whom train knows."]
    assert to_html(page(found))


def test_drift_is_told_in_pairs(tmp_path):
    # Train: 8 pairs of videos 10 to 13, all positive. Test: one of a warm and one of a cold video, neither positive.
    rows = [
        Row(number % 2, 10 + number // 2, play_duration=15_000, timestamp=MIDNIGHT + number, watch_ratio=1.5)
        for number in range(8)
    ]
    rows += [Row(user_id=0, video_id=13 + number, timestamp=MIDNIGHT + DAY, watch_ratio=0.5) for number in range(2)]
    parts = parts_of(drift.section(found_in(tmp_path, rows)))
    assert parts["periods"].sentence == (
        "The share of positive pairs falls from 100.0% to 0.0%; 50.0% of the test pairs are of 1 video that train has "
        "not, and 0.0% have no timestamp, against 0.0% in train."
    )
    assert parts["cold_a_day"].data == [{"date": "2020-07-06", "test": 2, "cold": 1, "share": 0.5}]
    assert parts["length_drift"].sentence.startswith("0.0% of the test period would have to be of other lengths")


def test_a_log_without_a_positive_interaction(tmp_path):
    found = found_in(tmp_path, log_rows(), positive_threshold=100)
    assert "of which 0.0% reach a watch ratio of 100" in activity.headline(found)
    assert "0.0% reach a watch ratio of 100" in parts_of(labels.section(found))["watch_ratio"].sentence
    assert "stays from 0.0% to 0.0%" in parts_of(drift.section(found))["periods"].sentence
    assert to_html(page(found))


def test_a_log_of_one_day(tmp_path):
    rows = [
        Row(user_id=number % 2, video_id=10 + number // 2, timestamp=MIDNIGHT + 3600 * 9 + number)
        for number in range(10)
    ]
    found = found_in(tmp_path, rows)
    parts = parts_of(times.section(found))
    assert parts["interactions_a_day"].sentence == (
        "1 day from 2020-07-05 to 2020-07-05, 10 interactions a day on average: 10 on 2020-07-05, 10 on 2020-07-05; "
        "the split cuts at 2020-07-05 09:00, after 8 of them."
    )
    assert parts["weekdays"].sentence.startswith(
        "Sunday has the most, 100.0% of the interactions, and Monday the least, 0.0%"
    )
    assert to_html(page(found))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_shown_sql_gives_the_data_when_typed_in_the_catalog(found, tmp_path, kind):
    settings = found.settings
    if kind == "parquet":
        raw = tmp_path / "it's raw"
        write_raw(raw, log_rows())
        with duckdb.connect() as connection:
            connection.read_csv(str(raw / "user_features.csv")).write_parquet(str(raw / "user_features.parquet"))
        settings = settings.model_copy(update={"raw": raw})
    shown = tables.Exploration(settings, found.tables)
    with duckdb.connect(str(found.settings.work / "kraft.duckdb"), read_only=True) as catalog:
        for name, rows in found.tables.items():
            result = catalog.execute(shown.sql(name))
            columns = [column[0] for column in result.description]
            assert [dict(zip(columns, row, strict=True)) for row in result.fetchall()] == rows, name


def test_every_query_is_used_on_the_page(found):
    shown = "\n".join(
        part.sql for section in page(found).sections for part in section.parts if not isinstance(part, Text)
    )
    unused = {name for name in found.tables if found.sql(name) not in shown}
    # Means and marks of other figures.
    assert unused == {"activity_summary", "split_cut"}


def test_the_stage_writes_the_page_and_tells_of_it(found, tmp_path):
    out = tmp_path / "page.json"
    told = make_data_page(MakeDataPage(settings=found.settings, out=out, format="json"))
    made = json.loads(out.read_text(encoding="utf-8"))
    figures = [part for part in page(found).figures if isinstance(part, Figure)]
    assert (told.sections, told.figures, told.bytes) == (7, len(figures), out.stat().st_size)
    assert [section["title"] for section in made["sections"]] == [section.title for section in page(found).sections]
    assert made["facts"]["positive threshold"] == "1"
    assert len(list((tmp_path / "figures").iterdir())) == len(figures)
    # What it needed on the way is gone.
    assert not list(Store(found.settings.work).tmp.iterdir())
