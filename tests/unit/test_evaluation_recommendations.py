"""The stage that evaluates recommendations, over a small work folder."""

import json

import duckdb
import numpy as np
import pytest

from kraft.errors import InputError
from kraft.settings import Settings
from kraft.stages.evaluate_lists import EvaluateLists, evaluate_lists

pytestmark = pytest.mark.slow

USERS, ITEMS, WARM, TOP = 30, 50, 40, 5
SHARES = {"watch_time": 0.6, "new": 0.4}
EVERY = "of every video"


@pytest.fixture
def work(tmp_path):
    """30 users, 50 videos of which 40 are warm; 28 users have positives, some of them seen."""
    folder = tmp_path / "work"
    (folder / "draft").mkdir(parents=True)
    tables = {
        "catalogue": "select i::integer as item_id, (i % 7)::integer as category_1, "
        "(7 + i % 3)::integer as category_2, "
        f"null::integer as category_3, null::integer as category_4 from range({ITEMS}) items(i)",
        "interactions_train": f"select * from pairs where item_id < {WARM} and (user_id * 13 + item_id * 29) % 11 < 3",
        "test_positives": "select * from pairs where (user_id * 31 + item_id * 17) % 9 = 0 and user_id < 28",
    }
    with duckdb.connect() as connection:
        connection.execute(
            f"create table pairs as select u::integer as user_id, i::integer as item_id "
            f"from range({USERS}) users(u) cross join range({ITEMS}) items(i)"
        )
        for name, text in tables.items():
            connection.execute(f"copy ({text}) to '{folder}/draft/{name}.parquet'")
        connection.execute(f"copy pairs to '{tmp_path}/pairs.parquet'")
    return folder


def lists(work, name, score, top=TOP, order="user_id, rank", where="true", end="parquet"):
    """A file of the best videos of each user by ``score``, over the columns u and i."""
    path = work.parent / f"{name}.{end}"
    with duckdb.connect() as connection:
        connection.execute(
            "create table ranked as select u as user_id, (row_number() over (partition by u order by score desc, i))"
            "::integer as rank, i as item_id, score, 'watch time' as sources from (select u, i, "
            f"{score} as score from '{work.parent}/pairs.parquet' pairs(u, i) where {where}) qualify rank <= {top}"
        )
        connection.execute(f"copy (from ranked order by {order}) to '{path}'")
    return str(path)


def ranked_candidates(work, order="user_id, item_id"):
    """Even videos are retrieved by watch time, by their ids; those divisible by three by new, the highest id first."""
    path = work.parent / "candidates.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select *, row_number() over (partition by user_id order by "
            f"least(rank_watch_time / 0.6, rank_new / 0.4), item_id)::integer as rank from ("
            "select user_id, item_id, 1 as sources, "
            "case when item_id % 2 = 0 then (item_id // 2 + 1)::integer end as rank_watch_time, "
            f"case when item_id % 3 = 0 then ({ITEMS // 3 + 1} - item_id // 3)::integer end as rank_new, "
            "null::integer as rank_als, null::integer as rank_popular, null::integer as rank_categories, "
            f"null::integer as rank_similar from '{work.parent}/pairs.parquet' "
            f"where item_id % 2 = 0 or item_id % 3 = 0) order by {order}) to '{path}'"
        )
    return str(path)


GOOD, BETTER = "sin(u * 3.1 + i * i)", "sin(u * 3.1 + i * i) + 2 * ((u * 31 + i * 17) % 9 = 0)::integer"


def evaluated(work, named, candidates=None, **more):
    """What the stage says of some sets of lists."""
    usual = {"settings": Settings(work=work, threads=2), "top": TOP, "exclude_seen": True, "items": None}
    asked = EvaluateLists(lists=named, candidates=candidates, shares=SHARES, **usual | more)
    return evaluate_lists(asked).model_dump()


def table(path):
    with duckdb.connect() as connection:
        return connection.execute(f"from '{path}'").fetchall()


def ndcg_of_users(work, path):
    """NDCG of each user with a positive that was not seen, in plain Python."""
    seen = set(table(work / "draft" / "interactions_train.parquet"))
    wanted = {}
    for user, item in table(work / "draft" / "test_positives.parquet"):
        if (user, item) not in seen:
            wanted.setdefault(user, set()).add(item)
    gained = dict.fromkeys(sorted(wanted), 0.0)
    for user, rank, item, *_ in table(path):
        if item in wanted.get(user, ()):
            gained[user] += 1 / np.log2(1 + rank)
    ideal = {
        user: sum(1 / np.log2(1 + rank) for rank in range(1, min(len(own), TOP) + 1)) for user, own in wanted.items()
    }
    return np.array([gained[user] / ideal[user] for user in gained])


def test_the_report_tells_of_candidates_lists_and_loss(work):
    named = {"of 20 candidates": lists(work, "some", GOOD), EVERY: lists(work, "every", BETTER)}
    found = evaluated(work, named, ranked_candidates(work))
    report = found["report"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert not list((work / "tmp").iterdir())
    assert (report["top"], report["exclude_seen"], report["users"]) == (TOP, True, 28)
    assert [one["name"] for one in report["lists"]] == list(named)
    for one in report["lists"]:
        assert (one["users"], one["rows"], one["short_lists"], one["without_list"]) == (USERS, USERS * TOP, 0, 0)
        assert one["videos"] == ITEMS
        assert one["metrics"]["ndcg"]["value"] == pytest.approx(
            ndcg_of_users(work, named[one["name"]]).mean(), abs=1e-12
        )
        for estimate in one["metrics"].values():
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
    assert (
        report["lists"][1]["metrics"]["reciprocal_rank"]["value"]
        > report["lists"][0]["metrics"]["reciprocal_rank"]["value"]
    )


def test_the_loss_is_paired_over_the_same_users(work):
    named = {"of 20 candidates": lists(work, "some", GOOD), EVERY: lists(work, "every", BETTER)}
    loss = evaluated(work, named)["report"]["loss"]
    less, most = (ndcg_of_users(work, path) for path in named.values())
    assert (loss["list"], loss["reference"]) == tuple(named)
    assert loss["absolute"]["value"] == pytest.approx(most.mean() - less.mean(), abs=1e-12)
    assert loss["relative"]["value"] == pytest.approx(1 - less.mean() / most.mean(), abs=1e-12)
    random = np.random.default_rng(42)
    drawn = [random.integers(0, len(less), len(less)) for _ in range(1000)]
    absolute = [(most - less)[users].mean() for users in drawn]
    relative = [1 - less[users].mean() / most[users].mean() for users in drawn]
    for kind, draws in (("absolute", absolute), ("relative", relative)):
        low, high = np.quantile(draws, (0.025, 0.975))
        assert (loss[kind]["low"], loss[kind]["high"]) == pytest.approx((low, high), abs=1e-9)


def test_nothing_is_lost_where_the_lists_are_the_same(work):
    named = {"one": lists(work, "one", GOOD), EVERY: lists(work, "other", f"3 * {GOOD} - 1")}
    loss = evaluated(work, named)["report"]["loss"]
    nothing = {"value": 0, "low": 0, "high": 0}
    assert (loss["absolute"], loss["relative"]) == (nothing, nothing)


def test_one_set_of_lists_has_no_reference(work):
    report = evaluated(work, {"alone": lists(work, "alone", GOOD)})["report"]
    assert (report["loss"], report["candidates"]) == (None, None)


def test_candidates_are_told_by_source(work):
    found = evaluated(work, {}, ranked_candidates(work), exclude_seen=False)
    candidates = found["report"]["candidates"]
    assert (candidates["cutoffs"], candidates["shares"]) == ([50, 100, 200, 500, 1000], SHARES)
    wanted = {}
    for user, item in table(work / "draft" / "test_positives.parquet"):
        wanted.setdefault(user, []).append(item)

    def share(retrieved):
        return np.mean([np.mean([retrieved(item) for item in own]) for own in wanted.values()])

    recall, added = candidates["recall"], candidates["added"]
    assert list(recall) == ["union", *SHARES]
    for place in range(5):
        assert recall["union"][place] == pytest.approx(share(lambda item: item % 2 == 0 or item % 3 == 0), abs=1e-12)
        assert recall["watch_time"][place] == pytest.approx(share(lambda item: item % 2 == 0), abs=1e-12)
        assert added["watch_time"][place] == pytest.approx(share(lambda item: item % 6 in {2, 4}), abs=1e-12)
        assert added["new"][place] == pytest.approx(share(lambda item: item % 6 == 3), abs=1e-12)


def test_the_order_of_the_rows_and_the_file_format_change_nothing(work):
    mixed = "hash(item_id, user_id)"
    one = {"some": lists(work, "some", GOOD), EVERY: lists(work, "every", BETTER)}
    other = {
        "some": lists(work, "mixed", GOOD, order=mixed),
        EVERY: lists(work, "mixed_every", BETTER, order=mixed, end="csv"),
    }
    found = [evaluated(work, one, ranked_candidates(work))]
    found.append(evaluated(work, other, ranked_candidates(work, mixed)))
    assert json.dumps(found[0]) == json.dumps(found[1])


def test_lists_may_be_short_or_missing(work):
    path = lists(work, "short", GOOD, where="u >= 3 and (u > 5 or i < 2)")
    (one,) = evaluated(work, {"short": path})["report"]["lists"]
    # Users 3 to 5 have two videos each; 0 to 2 have none.
    assert (one["users"], one["rows"]) == (27, 24 * TOP + 3 * 2)
    assert (one["short_lists"], one["without_list"]) == (3, 3)
    assert one["metrics"]["ndcg"]["value"] == pytest.approx(ndcg_of_users(work, path).mean(), abs=1e-12)


def test_no_list_at_all_is_worth_nothing(work):
    none, some = lists(work, "none", GOOD, where="false"), lists(work, "some", GOOD)
    found = evaluated(work, {"some": some, "none": none})
    one = found["report"]["lists"][1]
    assert {metric["value"] for metric in one["metrics"].values()} == {0}
    assert (one["users"], one["coverage"], one["novelty"], one["gini"], one["diversity"]) == (0, 0, None, None, None)
    # Of nothing, no share can be lost.
    assert found["report"]["loss"]["relative"] == {"value": None, "low": None, "high": None}
    assert "share of theirs   undefined" in found["table"]


def test_the_text_fits_a_screen_and_names_things_in_words(work):
    named = {"of 500 candidates": lists(work, "some", GOOD), EVERY: lists(work, "every", BETTER)}
    text = evaluated(work, named, ranked_candidates(work))["table"]
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert " ".join(lines[0].split()) == "recall of candidates @50 @100 @200 @500 @1,000"
    assert [line[:14].rstrip() for line in lines[1:4]] == ["all together", "watch time", "new videos"]
    heads = [" ".join(line.split()) for line in lines if line.startswith("lists ")]
    assert heads == [
        "lists NDCG@5 precision recall MAP MRR hit rate",
        "lists coverage Gini novelty diversity users rows short without",
    ]
    assert "NDCG@5 that the first lists lack of the last   +0." in text
    assert "positive test pairs of 28 users, seen videos left out" in text
    assert "watch_time" not in text
    assert "seen" not in evaluated(work, named, exclude_seen=False)["table"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("update ranked set item_id = 999 where rank = 2", "30 rows name a video that the catalogue lacks"),
        (
            "update ranked set rank = 9 where rank = 2 and user_id = 4",
            "1 users have ranks other than 1, 2, 3 and so on",
        ),
        ("insert into ranked select user_id, 6, item_id from ranked where rank = 2", "30 videos stand more than once"),
        ("update ranked set item_id = null where user_id = 4", "5 rows lack a user, a rank or a video"),
    ],
)
def test_what_is_no_list_is_refused(work, change, message):
    path = lists(work, "bad", GOOD)
    with duckdb.connect() as connection:
        connection.execute(f"create table ranked as select user_id, rank, item_id from '{path}'")
        connection.execute(change)
        connection.execute(f"copy ranked to '{path}'")
    with pytest.raises(InputError, match=rf"recommendations mine, .*bad\.parquet: .*{message}"):
        evaluated(work, {"mine": path})


def test_a_part_of_what_sources_retrieve_is_refused(work):
    path = ranked_candidates(work)
    with duckdb.connect() as connection:
        connection.execute(f"create table first_ones as from '{path}' where rank <= 20")
        connection.execute(f"copy first_ones to '{path}'")
    with pytest.raises(InputError, match="of 30 users only a part of a source's list is there"):
        evaluated(work, {}, path)


def test_a_file_without_ranks_is_refused(work):
    with pytest.raises(InputError, match="column rank is missing"):
        evaluated(work, {"mine": str(work.parent / "pairs.parquet")})


def test_nothing_to_evaluate_is_an_error(work):
    with pytest.raises(InputError, match="no lists and no candidates are given"):
        evaluated(work, {})


def test_a_truth_that_was_all_seen_is_an_error_with_a_remedy(work):
    with duckdb.connect() as connection:
        connection.execute(f"copy (from '{work.parent}/pairs.parquet') to '{work}/draft/interactions_train.parquet'")
    with pytest.raises(InputError, match="no test user has a positive pair that a list could hold"):
        evaluated(work, {"mine": lists(work, "mine", GOOD)})
