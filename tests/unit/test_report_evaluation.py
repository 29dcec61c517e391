"""The page of the evaluation: its examples and features, where tables and texts are made up."""

import doctest

import duckdb
import pytest

from kraft import columns
from kraft.engine.workspace.store import Fingerprint, Store
from kraft.report.evaluation import model, runs, users
from kraft.settings import Settings

LIKED, DISLIKED, STRANGER = 10, 11, 12
"""Videos that the user came to like, did not, and never met."""


@pytest.fixture
def settings(tmp_path):
    """Settings of a work folder with three small tables."""
    store = Store(tmp_path / "work")
    names = "category_name_1, category_name_2, category_name_3"
    tables = {
        "video_details": """from (values (10, ln(9.5), 8, 27), (11, ln(20), 8, 27), (13, 0, 8, null))
            as v(item_id, log_duration, category_1, category_2), (select null as category_3, null as category_4)""",
        "video_texts": f"from (values (10, '猫 和 狗', '宠物', '猫咪', null)) as v(item_id, caption, {names})",
        "interactions_test": "from (values (1, 10, true), (1, 11, false)) as v(user_id, item_id, positive_interaction)",
    }
    with duckdb.connect() as connection:
        for name, select in tables.items():
            connection.sql(select).write_parquet(str(store.table(name)))
    return Settings(raw=tmp_path, work=store.folder, threads=1, quiet=True)


def reason(text, effect, value="1"):
    return {"text": text, "contribution": effect, "value": value}


def user(**changed):
    effects = [reason("first", 0.5), reason("second", -0.25, ""), reason("third", 0.125), reason("last", 0)]
    return {
        "user_id": 1,
        "activity": "light",
        "interaction_count": 40,
        "positive_count": 10,
        "test_positives": 1,
        "history": [
            {"item_id": 10, "timestamp": 1593878903.5, "watch_ratio": 1.25},
            {"item_id": 11, "timestamp": None, "watch_ratio": 2.0},
        ],
        "recommended": [
            {"item_id": item, "score": 0.75, "sources": "als+popular"} for item in (LIKED, DISLIKED, STRANGER)
        ],
        "reasons": [{"contributions": effects}] * 3,
    } | changed


def test_an_example_tells_history_recommendations_outcomes_and_reasons(settings):
    about, history, recommended, reasons = users.section([user()], settings).parts
    assert about.text == (
        "User 1, light: 40 interactions in the train period, of which 10 are likes (25.0%); 1 video liked in the test "
        "period."
    )
    assert history.sentence == "The last 2 videos that user 1 liked, of 宠物."
    assert history.rows == [
        ["2020-07-05 00:08", "10", "猫 和 狗", "宠物 / 猫咪", "9.5 s", "1.25"],
        ["unknown", "11", None, "ids 8, 27", "20.0 s", "2.00"],
    ]
    assert recommended.sentence == "Of 3 recommendations user 1 met 2 in the test period, and liked 1."
    assert [row[-1] for row in recommended.rows] == ["liked", "not liked", "not met"]
    assert recommended.rows[2] == ["3", "12", None, "unknown", "unknown", "0.750", "ALS, popular", "not met"]
    assert reasons.sentence == "For 3 of 3 the first reason is first."
    assert reasons.rows[:3] == [
        ["1", "10", "+0.50", "first", "1"], ["1", "10", "-0.25", "second", None], ["1", "10", "+0.12", "third", "1"],
    ]  # fmt: skip
    assert len(reasons.rows) == 3 * users.REASONS


def test_a_user_without_history_or_recommendations_has_empty_tables(settings):
    _, history, recommended, reasons = users.section([user(history=[], recommended=[], reasons=[])], settings).parts
    assert (history.sentence, history.rows) == ("The last 0 videos that user 1 liked.", [])
    assert recommended.sentence == "Of 0 recommendations user 1 met 0 in the test period."
    assert (reasons.sentence, reasons.rows) == ("", [])


def test_examples_that_are_not_there_are_left_out_with_a_sentence(settings):
    assert users.section([], settings).parts == [users.ABSENT]


def test_every_feature_has_a_group():
    names = (*columns.ranker_features(2), *columns.pair_features())
    found = {model.group_of(name) for name in names}
    assert len(found) == 9 + 4
    assert model.group_of("user_factor_1") != model.group_of("item_factor_1")


def test_steps_without_seconds_or_rows_are_shown_as_unknown(settings):
    store = Store(settings.work)
    fingerprint = Fingerprint({}, {}, code="1")
    with store.scratch() as folder:
        table, model_folder = folder / "table.parquet", folder / "model"
        table.touch()
        model_folder.mkdir()
        store.publish("item_counts", table, fingerprint, {"rows": 5, "seconds": 1.5, "peak_mib": 100})
        store.publish("something", model_folder, fingerprint, {"peak_mib": 200})
    stages, slowest, steps = runs.section(store, settings).parts
    assert stages.rows == [["counts", "1", "5", "1.5", "100"], ["models", "1", "0", "0.0", "200"]]
    assert stages.sentence == (
        "1.5 s in all for 2 tables and models; the most memory, 200 MiB (20% of the limit), was in use once something "
        "was made."
    )
    assert slowest.sentence == "item_counts took 100% of the 1.5 s."
    assert steps.rows == [["item_counts", "counts", "5", "1.50", "100"], ["something", "models", None, None, "200"]]


@pytest.mark.parametrize("module", [model])
def test_examples_in_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0
