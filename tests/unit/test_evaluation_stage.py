"""The stages that evaluate and compare score sets, over a small work folder."""

import json

import duckdb
import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from kraft.errors import InputError
from kraft.settings import Settings
from kraft.stages.evaluate import CompareScores, EvaluateScores, compare_scores, evaluate_scores

USERS, ITEMS, WARM = 24, 60, 40
CUTOFFS = [5, 10]


pytestmark = pytest.mark.slow


@pytest.fixture
def work(tmp_path):
    """24 users, 60 items of which 40 are warm; every pair is a test pair."""
    folder = tmp_path / "work"
    (folder / "draft").mkdir(parents=True)
    tables = {
        "interactions_test": "select * from pairs",
        "interactions": "select user_id, item_id, 5000 + 100 * item_id as video_duration from pairs",
        "test_positives": "select * from pairs where (user_id * 31 + item_id * 17) % 7 < 2 and user_id <> 3",
        "item_index": f"select item_id, item_id as item_index from pairs where item_id < {WARM} group by all",
        "item_counts": f"select item_id, 10 + item_id as interaction_count, item_id % 7 as positive_count "
        f"from pairs where item_id < {WARM} group by all",
        "user_counts": "select distinct user_id, 100 + user_id as interaction_count, 5 as positive_count from pairs",
        "video_metadata": "select item_id, [item_id % 4] as feat, 1 as num_categories from pairs group by all",
        "scores": "select *, sin(user_id * 3.1 + item_id * item_id) / 3 + 0.5 as score from pairs",
    }
    with duckdb.connect() as connection:
        connection.execute(
            f"create table pairs as select u::integer as user_id, i::integer as item_id "
            f"from range({USERS}) users(u) cross join range({ITEMS}) items(i)"
        )
        for name, text in tables.items():
            connection.execute(f"copy ({text}) to '{folder}/draft/{name}.parquet'")
    return folder


def scored(work, name, score, order="user_id, item_id", where="true"):
    """A file of scores made from the table `scores`."""
    path = work.parent / f"{name}.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select user_id, item_id, {score} as score from '{work}/draft/scores.parquet' "
            f"where {where} order by {order}) to '{path}'"
        )
    return str(path)


def evaluated(work, scores, **more):
    """What the stage says of some score sets."""
    asked = EvaluateScores(settings=Settings(work=work, threads=2), scores=scores, **more)
    return evaluate_scores(asked).model_dump()


def compared(work, scores):
    """What the stage says of two score sets."""
    return compare_scores(CompareScores(settings=Settings(work=work, threads=2), scores=scores)).model_dump()


def test_evaluation_reports_the_first_set_and_every_set_beside_it(work):
    scores = {"mine": str(work / "draft" / "scores.parquet"), "constant": scored(work, "constant", "7.0")}
    found = evaluated(work, scores, cutoffs=CUTOFFS, baselines=True)
    report = found["report"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert list(report["metrics"]["ndcg"]) == ["5", "10"]
    assert (report["pairs"], report["users_evaluated"]) == (USERS * ITEMS, USERS - 1)
    assert report["score_sets"][0]["ranking"] == {name: report[name] for name in report["score_sets"][0]["ranking"]}
    assert not list((work / "tmp").iterdir())
    names = ["mine", "constant", "random", "popularity", "positive rate", "category rate", "shortest first"]
    assert [one["name"] for one in report["score_sets"]] == names
    assert [one["baseline"] for one in report["score_sets"]] == [False, False, *[True] * 5]
    assert (report["users"], report["low_activity_users"]) == (USERS, USERS // 4)
    assert "ALS alone is left out" in report["notes"][0]
    mine, constant = report["score_sets"][:2]
    assert mine["estimates"]["ndcg@10"]["value"] == pytest.approx(report["metrics"]["ndcg"]["10"], abs=1e-14)
    assert mine["estimates"]["auc"]["value"] == report["auc"]["all"]["auc"]
    assert mine["estimates"]["auc"]["low"] < report["auc"]["all"]["auc"] < mine["estimates"]["auc"]["high"]
    assert mine["first_minus_this"] is None
    assert constant["estimates"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    difference = constant["first_minus_this"]["auc"]["value"]
    assert difference == pytest.approx(report["auc"]["all"]["auc"] - 0.5, abs=1e-14)
    for one in report["score_sets"]:
        for estimate in one["estimates"].values():
            assert estimate["low"] is None or estimate["low"] <= estimate["value"] <= estimate["high"]
    assert (mine["calibration"] is None, constant["calibration"]) == (False, None)
    assert len(mine["calibration"]["bins"]) == 10


def test_the_least_active_are_evaluated_by_their_own_lists(work):
    with duckdb.connect() as connection:
        pairs = connection.execute(
            f"select score, p.item_id is not null as positive from '{work}/draft/scores.parquet' s "
            f"left join '{work}/draft/test_positives.parquet' p on s.user_id = p.user_id and s.item_id = p.item_id "
            f"where s.user_id < {USERS // 4} order by s.user_id"
        ).fetchnumpy()
    shape = (USERS // 4, ITEMS)
    truth, scores = pairs["positive"].reshape(shape), pairs["score"].reshape(shape)
    liking = truth.any(axis=1)
    found = evaluated(work, {"mine": scored(work, "mine", "score")})["report"]["score_sets"][0]
    expected = ndcg_score(truth[liking], scores[liking], k=10)
    assert found["estimates"]["ndcg@10 low-activity users"]["value"] == pytest.approx(expected, abs=1e-9)
    expected = roc_auc_score(truth.ravel(), scores.ravel())
    assert found["estimates"]["auc low-activity users"]["value"] == pytest.approx(expected, abs=1e-9)


def test_baselines_know_what_they_should(work):
    scores = {"mine": str(work / "draft" / "scores.parquet")}
    sets = {one["name"]: one for one in evaluated(work, scores, baselines=True)["report"]["score_sets"]}
    # Without history every cold video is as popular, and as liked, as the others.
    assert sets["popularity"]["estimates"]["auc cold items"]["value"] == 0.5
    assert sets["positive rate"]["estimates"]["auc cold items"]["value"] == 0.5
    assert sets["popularity"]["least_score"] == 0
    assert sets["shortest first"]["greatest_score"] == -5000
    assert sets["positive rate"]["calibration"] is not None
    assert sets["random"]["calibration"] is None


@pytest.mark.parametrize("name", ["als", "other"])
def test_factors_alone_are_evaluated_where_they_are(work, name):
    folder = work / "models" / name
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    for side, size in (("user", USERS), ("item", WARM)):
        np.save(folder / f"{side}_ids.npy", np.arange(size, dtype=np.int32))
        np.save(folder / f"{side}_factors.npy", random.normal(size=(size, 4)).astype(np.float32))
    found = evaluated(work, {"mine": scored(work, "mine", "score")}, baselines=True, als=name)["report"]
    assert found["notes"] == []
    last = found["score_sets"][-1]
    assert last["name"] == "ALS alone"
    assert last["estimates"]["auc cold items"]["value"] == 0.5


def test_the_order_of_the_rows_changes_nothing(work):
    one, other = scored(work, "one", "score"), scored(work, "other", "score", order="hash(item_id, user_id)")
    found = [evaluated(work, {"mine": path}, baselines=True) for path in (one, other)]
    assert json.dumps(found[0]) == json.dumps(found[1])


def test_a_comparison_is_antisymmetric(work):
    a, b = scored(work, "a", "score"), scored(work, "b", "score + 0.3 * sin(item_id * 5 + user_id)")
    one = compared(work, {"a": a, "b": b})["report"]
    other = compared(work, {"b": b, "a": a})["report"]
    assert json.loads(json.dumps(one, allow_nan=False)) == one
    assert (one["pairs"], one["users"]["count"], one["users"]["drawn"]) == (USERS * ITEMS, USERS - 1, USERS)
    assert {"ndcg@10", "ndcg@50", "precision@10", "recall@50", "auc", "auc warm items", "auc cold items"} <= set(
        one["metrics"]
    )
    for metric, row in one["metrics"].items():
        mirror = other["metrics"][metric]
        assert (row["a"], row["b"]) == (mirror["b"], mirror["a"])
        assert row["difference"] == row["a"] - row["b"]
        assert (row["low"], row["high"]) == pytest.approx((-mirror["high"], -mirror["low"]), abs=1e-12)
    assert one["users"]["rise"] == other["users"]["fall"] > 0
    assert one["users"]["rise"] + one["users"]["fall"] + one["users"]["equal"] == pytest.approx(1)


def test_the_difference_is_the_mean_of_the_differences_of_the_users(work):
    same = compared(work, {"a": scored(work, "a", "score"), "b": scored(work, "b", "2 * score - 7")})
    for row in same["report"]["metrics"].values():
        assert (row["difference"], row["low"], row["high"]) == (0, 0, 0)
    assert [same["report"]["users"][change] for change in ("rise", "fall", "equal")] == [0, 0, 1]
    assert "0.0% of the users gain by a" in same["table"]


def test_better_scores_show_as_a_gain_of_every_interval(work):
    path = work.parent / "perfect.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select s.user_id, s.item_id, (p.item_id is not null)::double as score "
            f"from '{work}/draft/scores.parquet' s left join '{work}/draft/test_positives.parquet' p "
            f"on s.user_id = p.user_id and s.item_id = p.item_id) to '{path}'"
        )
    found = compared(work, {"perfect": str(path), "mine": scored(work, "mine", "score")})["report"]
    for metric in ("ndcg@10", "precision@10", "auc", "auc warm items", "auc cold items"):
        assert 0 < found["metrics"][metric]["low"] < found["metrics"][metric]["high"]
    assert found["metrics"]["auc"]["a"] == 1


def test_other_pairs_cannot_be_compared(work):
    a = scored(work, "a", "score", where="item_id > 1")
    b = scored(work, "b", "score", where="user_id > 0 or item_id > 2")
    with pytest.raises(
        InputError, match=rf"a and b do not score the same pairs: 1 only in a, {2 * USERS - 2} only in b"
    ):
        compared(work, {"a": a, "b": b})


def test_one_set_cannot_be_compared(work):
    with pytest.raises(InputError, match="two score sets can be compared, not 1"):
        compared(work, {"a": scored(work, "a", "score")})


def test_a_log_without_positives_is_an_error_with_a_remedy(work):
    with duckdb.connect() as connection:
        empty = f"from '{work}/draft/scores.parquet' limit 0"
        connection.execute(f"copy (select user_id, item_id {empty}) to '{work}/draft/test_positives.parquet'")
        connection.execute(f"copy (select user_id, item_id {empty}) to '{work}/draft/interactions_test.parquet'")
        connection.execute(f"copy (select * {empty}) to '{work.parent}/none.parquet'")
    with pytest.raises(InputError, match="no test user has a positive pair"):
        evaluated(work, {"none": f"{work.parent}/none.parquet"})


def test_a_score_set_may_have_the_name_of_a_baseline(work):
    found = evaluated(work, {"random": scored(work, "mine", "score")}, baselines=True)["report"]["score_sets"]
    assert [one["name"] for one in found][:2] == ["random", "popularity"]
    assert [one["baseline"] for one in found][:2] == [False, True]


def test_nothing_to_evaluate_is_an_error(work):
    with pytest.raises(InputError, match="no scores are given"):
        evaluated(work, {})


@pytest.mark.parametrize(
    ("score", "where", "message"),
    [
        ("score", "item_id <> 4", "24 of 1,440 test pairs have no score$"),
        ("case when user_id = 2 then 'nan'::double else score end", "true", "60 scores are no finite numbers$"),
        ("case when user_id = 2 then '-inf'::double else score end", "true", "60 scores are no finite numbers$"),
        ("case when item_id = 2 then null else score end", "user_id > 0", "60 of 1,440 .* no score, 23 scores are no"),
    ],
)
def test_scores_that_are_not_one_finite_number_a_pair_are_refused(work, score, where, message):
    path = scored(work, "bad", score, where=where)
    with pytest.raises(InputError, match=rf"score set mine, .*bad\.parquet: {message[:-1]}") as caught:
        evaluated(work, {"mine": path})
    assert caught.value.problem.endswith(message[-12:-1]) or not message.endswith("$")


def test_repeated_and_surplus_pairs_are_refused(work):
    path = work.parent / "bad.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (from '{work}/draft/scores.parquet' union all (from '{work}/draft/scores.parquet' limit 5) "
            f"union all select 999, 1, 0.5) to '{path}'"
        )
    with pytest.raises(InputError, match="1 scored pairs are no test pairs, 5 pairs are scored more than once"):
        evaluated(work, {"mine": str(path)})


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("case when user_id = 2 then 'nan'::double else score end", "column score: 'nan' is not a finite number"),
        ("case when user_id = 2 then null else score end", "column score: the value is missing: it must be a finite"),
        ("'high'", "row 1, column score: 'high' is not a finite number"),
        ("[score]", "column score: its type is DOUBLE\\[\\], and it must be a number"),
    ],
)
def test_a_file_to_compare_is_read_like_any_file_that_an_option_names(work, score, message):
    bad, good = scored(work, "bad", score), scored(work, "good", "score")
    with pytest.raises(InputError, match=rf"bad\.parquet, .*{message}"):
        compared(work, {"good": good, "bad": bad})


def test_repeated_pairs_to_compare_are_told_of_the_users_own_file(work):
    good = scored(work, "good", "score")
    with duckdb.connect() as connection:
        connection.execute(f"copy (from '{good}' union all (from '{good}' limit 5)) to '{work.parent}/twice.csv'")
    with pytest.raises(
        InputError, match=rf"score set twice, {work.parent}/twice\.csv: 5 pairs are scored more than once"
    ):
        compared(work, {"twice": f"{work.parent}/twice.csv", "good": good})


def test_files_to_compare_may_call_videos_as_kuairec_does(work):
    good = scored(work, "good", "score")
    with duckdb.connect() as connection:
        connection.execute(f"copy (select user_id, item_id as video_id, score from '{good}') to '{work.parent}/b.csv'")
    found = compared(work, {"a": good, "b": f"{work.parent}/b.csv"})["report"]
    assert found["metrics"]["auc"]["difference"] == 0


def test_the_text_shows_every_set_the_detail_and_the_calibration(work):
    scores = {"mine": scored(work, "mine", "score"), "far": scored(work, "far", "score - 3")}
    text = evaluated(work, scores, cutoffs=CUTOFFS)["table"].splitlines()
    assert " ".join(text[0].split()) == "score set NDCG@10 AUC warm cold NDCG@10 warm AUC low-activity"
    assert [line.split()[0] for line in text[1:3]] == ["mine", "far"]
    assert text[1].split()[1:] == text[2].split()[1:]
    assert "[95% interval of 1,000 resamples of the 24 users]" in text
    assert text[7:9] == ["mine", ""]
    assert text[-1].startswith("log loss ")
    far = evaluated(work, {"far": scores["far"]})["table"].splitlines()
    assert far[-1].startswith("calibration   none: scores from -2.833 to -2.167 are no probabilities")
