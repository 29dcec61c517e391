import doctest
import json
import math

import numpy as np
import polars as pl
import pytest

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.sql.queries import all_queries
from kraft.models.features.documented import FeatureRows
from kraft.models.features.pairs import PairRows
from kraft.models.ranker import explain as explaining
from kraft.models.ranker import training as ranker
from kraft.models.ranker.explain import OWN_TEXTS, Explanation, Part, meaning, parts_of, value_text
from kraft.models.ranker.validation import random_rows
from kraft.models.watch_time.model import WatchTimeModel
from kraft.stages.explanations import explain_rows
from kraft.stages.preset import PRESETS

N_ROWS, N_ENTITIES, N_FACTORS, RANK = 1500, 30, 3, 2
STORED = [name for names in columns.PAIR_FEATURE_GROUPS.values() for name in names]
WORDED = (*columns.STORED_FEATURES, *columns.pair_features())
"""Every feature of both presets but the ALS factors."""


def documented_rows(folder, random):
    table = {name: random.integers(0, 3, N_ROWS).astype(np.int16) for name in columns.STORED_FEATURES}
    users, items = (random.integers(-1, N_ENTITIES, N_ROWS).astype(np.int32) for _ in range(2))
    table |= {columns.USER_INDEX: users, columns.ITEM_INDEX: items}
    factors = [random.normal(size=(N_ENTITIES, N_FACTORS)).astype(np.float32) for _ in range(2)]
    liked = factors[0][users, 0] * factors[1][items, 1] * (items >= 0) + 0.5 * table["register_days"]
    return write(folder, table, liked > random.normal(0.5, 0.5, N_ROWS)), lambda path: FeatureRows(path, *factors)


def kraft_rows(folder, random):
    missing = random.random((N_ROWS, len(STORED))) < 0.2
    values = np.where(missing, np.nan, random.normal(size=missing.shape))
    table = {name: values[:, place].astype(np.float32) for place, name in enumerate(STORED)}
    table |= {
        name: random.integers(-1, N_ENTITIES, N_ROWS).astype(np.int32)
        for name in (columns.USER_INDEX, columns.VIDEO_INDEX)
    }
    shape = (N_ENTITIES, 1 + RANK)
    means, spreads = ([draw.astype(np.float32) for draw in random.uniform(0.1, 1, (2, *shape))] for _ in range(2))
    model = WatchTimeModel(means[0], spreads[0], means[1], spreads[1], mean=1.5, noise=0.3)
    liked = np.nan_to_num(table["item_rate"]) + np.nan_to_num(table["author_taste"])
    return write(folder, table, liked > random.normal(0, 0.5, N_ROWS)), lambda path: PairRows(path, model)


def write(folder, table, labels):
    rows = np.arange(N_ROWS, dtype=np.int32)
    ids = {columns.USER_ID: rows // 10, columns.ITEM_ID: rows[::-1]}
    path = folder / "rows.parquet"
    pl.DataFrame(ids | table | {columns.POSITIVE_INTERACTION: labels}).write_parquet(path, row_group_size=400)
    return path


@pytest.fixture(scope="module", params=["documented", "kraft", "lambdarank"])
def explained(tmp_path_factory, request):
    """Every row of a small model's table explained, the feature vectors and the model."""
    folder = tmp_path_factory.mktemp("explained")
    make = documented_rows if request.param == "documented" else kraft_rows
    path, opened = make(folder, np.random.default_rng(4))
    chosen = {"rounds": 12, "bin_construct_sample_cnt": 500, "min_data_in_leaf": 20}
    if request.param == "lambdarank":
        chosen |= {"objective": "lambdarank", "metric": ("auc",)}
    settings = PRESETS["documented" if request.param == "documented" else "kraft"].ranker.model_copy(update=chosen)
    trained = ranker.train(
        opened(path),
        lambda labels: random_rows(labels, settings.validation_fraction, settings.seed),
        settings,
        threads=1,
        progress=Progress(-1),
        category_codes={},
    )
    with opened(path) as rows:
        return explain_rows(rows, trained, threads=2), rows.take(np.arange(N_ROWS)), trained


def test_parts_add_up_to_the_raw_score_of_every_row(explained):
    explanations, vectors, trained = explained
    raw = trained.booster.predict(vectors, raw_score=True)
    assert len(explanations) == N_ROWS
    assert np.ptp(raw) > 0.5
    sums = [one.base + math.fsum(part.contribution for part in one.contributions) for one in explanations]
    np.testing.assert_allclose(sums, raw, rtol=0, atol=1e-10)
    np.testing.assert_array_equal([one.raw for one in explanations], raw)
    assert len({one.base for one in explanations}) == 1


def test_the_score_is_the_sigmoid_of_the_raw_score_or_that_itself(explained):
    explanations, vectors, trained = explained
    scores = trained.booster.predict(vectors)
    np.testing.assert_array_equal([one.score for one in explanations], scores)
    if explanations[0].is_probability:
        np.testing.assert_allclose([explaining.sigmoid(one.raw) for one in explanations], scores, rtol=0, atol=1e-12)
    else:
        np.testing.assert_array_equal([one.raw for one in explanations], scores)


def test_every_feature_is_in_one_part_and_the_largest_parts_come_first(explained):
    explanations, _, trained = explained
    for one in explanations:
        sizes = [abs(part.contribution) for part in one.contributions]
        assert sizes == sorted(sizes, reverse=True)
        named = [name for part in one.contributions for name in part.features]
        assert sorted(named) == sorted(trained.record.feature_names)
    assert [one.user_id for one in explanations] == [row // 10 for row in range(N_ROWS)]
    assert [one.item_id for one in explanations] == list(range(N_ROWS))[::-1]


def test_parts_are_lightgbm_s_own_with_the_row_s_value(explained):
    explanations, vectors, trained = explained
    split = trained.booster.predict(vectors, pred_contrib=True)
    for row in (0, 7, N_ROWS - 1):
        for part in explanations[row].contributions:
            places = [trained.record.feature_names.index(name) for name in part.features]
            assert part.contribution == pytest.approx(split[row, places].sum(), abs=1e-12)
            if len(places) == 1:
                assert part.value == value_text(part.features[0], float(vectors[row, places[0]]), {})
    assert not explanations[0].is_probability or split[0, -1] == pytest.approx(explanations[0].base)


def test_json_has_every_part(explained):
    explanations, _, _ = explained
    back = json.loads(json.dumps(explanations[3].as_json(), allow_nan=False))
    assert (back["user_id"], back["item_id"]) == (0, N_ROWS - 4)
    assert len(back["contributions"]) == len(explanations[3].contributions)
    assert set(back["contributions"][0]) == {"features", "text", "value", "contribution"}
    assert back["base"] + sum(part["contribution"] for part in back["contributions"]) == pytest.approx(back["raw"])


def test_text_ends_at_the_score_whatever_the_number_of_lines(explained):
    explanations, _, _ = explained
    for one in explanations[:20]:
        for most in (1, 5, 500):
            lines = one.to_text(most).splitlines()
            effects = [float(line.split()[0]) for line in lines[2:]]
            assert len(effects) <= 1 + most + 1
            assert sum(effects) == pytest.approx(one.raw, abs=0.0006 * len(effects))
            if one.is_probability:
                assert lines[-1].split()[1] == f"{one.score:.1%}"
            else:
                assert "%" not in lines[-1].split("  ")[0]


@pytest.mark.parametrize("feature", dict.fromkeys(WORDED))
def test_every_feature_has_a_text_that_stands_alone(feature):
    text, unit = meaning(feature)
    assert len(text) > 8
    assert not any(mark in text for mark in ("the same of", "[", "]", ";", "_"))
    assert not text.startswith("1 ")
    assert "its" not in text.split()
    assert unit == "" or unit in {*explaining.READ_AS, "rows", "code"}
    assert value_text(feature, math.nan, {}) == "unknown"


def test_texts_are_distinct_and_none_is_left_over():
    assert set(OWN_TEXTS) <= set(WORDED)


def test_a_name_of_no_feature_has_no_text():
    with pytest.raises(KeyError, match="nonsense"):
        meaning("nonsense")


def test_units_of_own_texts_are_those_of_the_headers():
    headers = all_queries()["ranker_train"].columns | all_queries()["pair_features"].columns
    other = {"duration_beyond_user": "log times"}
    for name in OWN_TEXTS:
        stated = explaining.TEXT_AND_UNIT.match(headers.get(name, ""))
        if stated and stated["unit"]:
            assert meaning(name)[1] == other.get(name, stated["unit"]), name


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("log_duration", math.log(12.34), "12.3 s"),
        ("user_log_time", math.log(1234), "1,234.0 s"),
        ("daily_log_time", 0.0, "1.0 s"),
        ("item_rate", 0.3755, "37.5%"),
        ("daily_like", 0.0125, "1.2%"),
        ("item_count", 12345.0, "12,345"),
        ("user_interaction_count", 0.0, "0"),
        ("user_ratio", 0.876, "0.88"),
        ("item_idle_days", 12.34, "12.3 days"),
        ("item_daily", 1234.5, "1,234.5 days"),
        ("upload_days", 1.0, "1 day"),
        ("upload_days", -3.0, "-3 days"),
        ("upload_days", -0.01, "0 days"),
        ("daily_shows", math.log1p(4321), "4,321"),
        ("category_taste", -0.0312, "-3.1 points"),
        ("category_taste", -0.0001, "+0.0 points"),
        ("margin", math.log(1.25), "1.25 times"),
        ("duration_beyond_user", math.log(0.5), "0.50 times"),
        ("margin_in_sd", 0.751, "+0.75 standard deviations"),
        ("is_live_streamer", 1.0, "yes"),
        ("is_lowactive_period", 0.0, "no"),
        ("fans_user_num", 1000000.0, "1,000,000"),
        ("num_categories", 2.0, "2"),
        ("friend_rate", math.nan, "unknown"),
        ("user_active_degree", 2.0, "high_active"),
        ("user_active_degree", 0.0, "unknown"),
        ("user_active_degree", 3.0, "code 3"),
        ("onehot_feat4", 7.0, "code 7"),
    ],
)
def test_values_are_written_as_people_read_them(feature, value, text):
    assert value_text(feature, value, {"user_active_degree": ["", "full_active", "high_active"]}) == text


def test_factors_are_one_part_a_side():
    names = ["user_factor_0", "user_factor_1", "item_factor_0", "num_categories", "user_interaction_count"]
    parts = parts_of(names, [0.0, 2.0, 0.0, 1.0, 3.0], [0.5, -0.25, -0.1, 0.25, -0.25], {})
    assert parts == (
        Part(("num_categories",), "categories of the video", "1", 0.25),
        Part(("user_interaction_count",), "the user's interactions in train", "3", -0.25),
        Part(("user_factor_0", "user_factor_1"), "the user's 2 ALS factors", "", 0.25),
        Part(("item_factor_0",), "the video's 1 ALS factor", "unknown", -0.1),
    )


PARTS = (
    Part(("item_rate",), "rate", "37.5%", 1.5),
    Part(("a", "b"), "factors", "", -0.5),
    Part(("c",), "length", "12.0 s", -0.25),
    Part(("d", "e"), "more factors", "unknown", 0.125),
    Part(("f",), "next to nothing", "1", -0.0004),
    Part(("g",), "nothing", "1", 0.0),
)
SCORE = explaining.sigmoid(-0.125)


def test_an_explanation_as_people_read_it():
    one = Explanation(4, 17, SCORE, -0.125, -1.0, PARTS, notes=("user 4 is new",), sources="als+popular")
    assert one.to_text(2).splitlines() == [
        "user 4, video 17: score 0.4688   (retrieved by ALS, popular)",
        "  user 4 is new",
        "  log-odds  probability",
        "    -1.000        26.9%  the average of all rows",
        "    +1.500        62.2%  raises  rate: 37.5%",
        "    -0.500        50.0%  lowers  factors",
        "    -0.125        46.9%  lowers  5 more features together",
    ]
    assert one.to_text(9).splitlines()[-2:] == [
        "    +0.125        46.9%  raises  more factors: unknown",
        "    +0.000        46.9%  keeps   2 more features together",
    ]
    alone = Explanation(4, 17, SCORE, -0.125, -1.0, PARTS[:3])
    assert alone.to_text(2).splitlines()[-1] == "    -0.250        43.8%  lowers  1 more feature"


def test_a_score_that_is_no_probability_is_not_told_as_one():
    one = Explanation(4, 17, -0.125, -0.125, -1.0, PARTS[:1], is_probability=False)
    assert one.to_text(5).splitlines() == [
        "user 4, video 17: score -0.1250",
        "    effect",
        "    -1.000  the average of all rows",
        "    +1.500  raises  rate: 37.5%",
    ]


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(explaining).failed == 0
