"""The metrics of `sql/evaluation`: by hand, against scikit-learn, and by the laws they must obey."""

from dataclasses import dataclass
from math import exp, log2
from pathlib import Path
from random import Random

import duckdb
import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, ndcg_score, roc_auc_score

SQL = Path(__file__).parents[2] / "sql" / "evaluation"
CUTOFFS = [1, 2, 3, 5, 10, 1000]


@dataclass(frozen=True)
class Pair:
    user: int
    item: int
    score: float
    positive: bool


@dataclass
class Measured:
    ranked: list[tuple]
    users: dict[tuple[int, int], dict[str, float]]
    means: dict[int, dict[str, float]]
    auc: dict[str, dict[str, float | None]]
    subsets: dict[tuple[int, bool], float]
    low_activity: dict[str, float | None]
    bins: list[tuple]
    calibration: dict[str, float | None]
    steps: list[tuple]


def measure(pairs, warm=(), cutoffs=CUTOFFS, threads=2, unscored=(), low=()):
    """The files of one score set on ``pairs``; ``unscored`` are positives that no score was given to, ``low`` the
    least active users.
    """
    positives = [(pair.user, pair.item) for pair in pairs if pair.positive] + list(unscored)
    probable = all(0 <= pair.score <= 1 for pair in pairs)
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:

        def table(name, **columns):
            types = {"score": "double"}
            listed = ", ".join(f"unnest(${column}::{types.get(column, 'integer')}[]) as {column}" for column in columns)
            connection.execute(f"create table {name} as select {listed}", columns)

        def run(name, **parameters):
            text = (SQL / f"{name}.sql").read_text(encoding="utf-8")
            connection.execute(f"create table {name} as {text}", parameters)
            result = connection.execute(text, parameters)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        table(
            "scores",
            user_id=[pair.user for pair in pairs],
            item_id=[pair.item for pair in pairs],
            score=[pair.score for pair in pairs],
        )
        table("test_positives", user_id=[u for u, _ in positives], item_id=[i for _, i in positives])
        table("item_index", item_id=sorted(warm), item_index=list(range(len(warm))))
        table("low_activity_users", user_id=sorted(low))
        return Measured(
            ranked=[tuple(row.values()) for row in run("ranked_scores")],
            users={(row["user_id"], row["cutoff"]): row for row in run("user_metrics", cutoffs=cutoffs)},
            means={row["cutoff"]: row for row in run("ranking_metrics")},
            auc={row["subset"]: row for row in run("score_auc")},
            subsets={(row["user_id"], row["warm"]): row["ndcg"] for row in run("subset_metrics")},
            low_activity=run("low_activity_auc")[0],
            bins=[tuple(row.values()) for row in run("user_bins")],
            steps=[tuple(row.values()) for row in run("calibration_bins")] if probable else [],
            calibration=run("calibration")[0] if probable else {},
        )


def some_pairs(seed, users=40, items=60, levels=None):
    """Random pairs of uneven users; scores tell the classes apart a little, on ``levels`` steps if given."""
    random = Random(seed)
    pairs = []
    for user in range(users):
        for item in random.sample(range(items), random.randint(2, items)):
            positive = random.random() < 0.3
            score = random.random() + 0.2 * positive
            pairs.append(Pair(user, item, score if levels is None else round(score * levels), positive))
    return pairs


def as_probabilities(pairs):
    """The pairs of `some_pairs` with scores from 0 to 1."""
    return [Pair(pair.user, pair.item, min(pair.score / 1.2, 1.0), pair.positive) for pair in pairs]


# By hand. User 1 has four pairs: item 30 leads, 10 and 20 tie (10 is the lower id, so it goes first), 40 is
# last. User 2 has one pair, fewer than any cutoff above 1. User 3 has no positive.
BY_HAND = [
    Pair(1, 40, 0.1, positive=True),
    Pair(1, 20, 0.5, positive=True),
    Pair(1, 10, 0.5, positive=False),
    Pair(1, 30, 0.9, positive=True),
    Pair(2, 10, 0.2, positive=True),
    Pair(3, 20, 0.7, positive=False),
]


def test_the_hand_computed_ranking():
    assert measure(BY_HAND, warm=[10, 40]).ranked == [
        (1, 30, 0.9, 1, False, 1, True),
        (1, 10, 0.5, 2, True, 1, False),
        (1, 20, 0.5, 3, False, 2, True),
        (1, 40, 0.1, 4, True, 2, True),
        (2, 10, 0.2, 1, True, 1, True),
        (3, 20, 0.7, 1, False, 1, False),
    ]


def test_the_hand_computed_metrics_of_users():
    found = measure(BY_HAND, cutoffs=[1, 2, 10]).users
    third, fourth = 1 / log2(4), 1 / log2(5)
    ideal_two, ideal_three = 1 + 1 / log2(3), 1 + 1 / log2(3) + third
    expected = {
        (1, 1): (1, 1.0, 1 / 3, 1.0),
        (1, 2): (1, 0.5, 1 / 3, 1 / ideal_two),
        (1, 10): (3, 0.3, 1.0, (1 + third + fourth) / ideal_three),
        (2, 1): (1, 1.0, 1.0, 1.0),
        (2, 2): (1, 0.5, 1.0, 1.0),
        (2, 10): (1, 0.1, 1.0, 1.0),
    }
    assert found.keys() == expected.keys()  # user 3 is left out
    for key, values in expected.items():
        assert tuple(found[key].values())[2:] == pytest.approx(values, abs=1e-12)


def test_the_hand_computed_means():
    means = measure(BY_HAND, cutoffs=[2]).means
    assert means.keys() == {2}
    ideal = 1 + 1 / log2(3)
    assert tuple(means[2].values()) == pytest.approx((2, 0.5, 2 / 3, (1 / ideal + 1) / 2, 2), abs=1e-12)


def test_the_hand_computed_auc_of_all_warm_and_cold_items():
    # All: positives 0.1, 0.5, 0.9, 0.2 against negatives 0.5 and 0.7: wins 0, 0.5, 2, 0 of 8.
    # Warm, items 10 and 20: positives 0.5, 0.2 against 0.5 and 0.7: 0.5 of 4. Cold: positives only.
    found = measure(BY_HAND, warm=[10, 20]).auc
    assert {name: tuple(row.values())[1:] for name, row in found.items()} == {
        "all": (2.5 / 8, 6, 4),
        "warm items": (0.5 / 4, 4, 2),
        "cold items": (None, 2, 2),
    }


def test_a_subset_without_pairs_still_has_its_row():
    found = measure(BY_HAND, warm=[10, 20, 30, 40]).auc
    assert tuple(found["cold items"].values()) == ("cold items", None, 0, 0)
    assert tuple(found["all"].values())[1:] == tuple(found["warm items"].values())[1:]


def test_without_any_positive_nothing_is_averaged():
    found = measure([Pair(1, 1, 0.5, positive=False)])
    assert (found.users, found.means) == ({}, {})
    assert found.auc["all"]["auc"] is None


def test_a_positive_without_a_score_is_a_miss():
    found = measure(BY_HAND, cutoffs=[1], unscored=[(2, 99), (4, 10)]).users
    assert found[2, 1]["recall"] == 0.5
    assert tuple(found[4, 1].values()) == (4, 1, 0, 0.0, 0.0, 0.0)


def test_a_cutoff_given_twice_counts_once():
    assert measure(BY_HAND, cutoffs=[5, 5]).users == measure(BY_HAND, cutoffs=[5]).users


def test_minus_zero_ties_with_zero():
    pairs = [Pair(1, 1, -0.0, positive=False), Pair(1, 2, 0.0, positive=True)]
    found = measure(pairs)
    assert found.auc["all"]["auc"] == 0.5
    assert [row[1] for row in found.ranked] == [1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_ndcg_is_that_of_scikit_learn(seed):
    pairs = some_pairs(seed)
    found = measure(pairs)
    compared = 0
    for user in {pair.user for pair in pairs}:
        own = [pair for pair in pairs if pair.user == user]
        if not any(pair.positive for pair in own):
            continue
        truth = np.array([[pair.positive for pair in own]], dtype=float)
        scores = np.array([[pair.score for pair in own]])
        for cutoff in CUTOFFS:
            assert found.users[user, cutoff]["ndcg"] == pytest.approx(ndcg_score(truth, scores, k=cutoff), abs=1e-9)
            compared += 1
    assert compared == len(found.users) > 100


@pytest.mark.parametrize("levels", [None, 100, 5])
def test_auc_is_that_of_scikit_learn_with_and_without_ties(levels):
    pairs = some_pairs(7, levels=levels)
    warm = set(range(0, 60, 2))
    found = measure(pairs, warm)
    subsets = {
        "all": pairs,
        "warm items": [pair for pair in pairs if pair.item in warm],
        "cold items": [pair for pair in pairs if pair.item not in warm],
    }
    for name, subset in subsets.items():
        expected = roc_auc_score([pair.positive for pair in subset], [pair.score for pair in subset])
        assert found.auc[name]["auc"] == pytest.approx(expected, abs=1e-9)
        assert found.auc[name]["pairs"] == len(subset)
        assert found.auc[name]["positives"] == sum(pair.positive for pair in subset)


@pytest.mark.parametrize("seed", range(3))
def test_ndcg_of_warm_and_of_cold_lists_is_that_of_scikit_learn(seed):
    pairs = some_pairs(seed)
    warm = set(range(0, 60, 3))
    found = measure(pairs, warm).subsets
    compared = 0
    for user in {pair.user for pair in pairs}:
        for is_warm in (True, False):
            own = [pair for pair in pairs if pair.user == user and (pair.item in warm) == is_warm]
            truth = np.array([[pair.positive for pair in own]], dtype=float)
            if not truth.any():
                assert (user, is_warm) not in found
                continue
            # Of one document scikit-learn has nothing to say.
            scores = np.array([[pair.score for pair in own]])
            expected = ndcg_score(truth, scores, k=10) if len(own) > 1 else 1.0
            assert found[user, is_warm] == pytest.approx(expected, abs=1e-9)
            compared += 1
    assert compared == len(found) > 50


@pytest.mark.parametrize("levels", [None, 5])
def test_auc_of_the_least_active_is_that_of_scikit_learn(levels):
    pairs = some_pairs(9, levels=levels)
    low = set(range(10))
    own = [pair for pair in pairs if pair.user in low]
    found = measure(pairs, low=low).low_activity
    expected = roc_auc_score([pair.positive for pair in own], [pair.score for pair in own])
    assert tuple(found.values()) == pytest.approx((expected, len(own), sum(pair.positive for pair in own)), abs=1e-9)


def test_log_loss_and_brier_score_are_those_of_scikit_learn_up_to_the_certain_scores():
    pairs = as_probabilities(some_pairs(4))
    pairs += [Pair(900, 1, 0.0, positive=True), Pair(900, 2, 1.0, positive=False), Pair(900, 3, 1.0, positive=True)]
    truth, scores = [pair.positive for pair in pairs], [pair.score for pair in pairs]
    found = measure(pairs)
    assert found.calibration["pairs"] == len(pairs)
    assert found.calibration["brier"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-9)
    assert found.calibration["log_loss"] == pytest.approx(log_loss(truth, scores), abs=1e-9)


def test_the_reliability_table_has_ten_equal_steps_that_add_up_to_the_calibration_error():
    pairs = as_probabilities(some_pairs(5))[:1000]
    found = measure(pairs)
    parts = np.split(np.array(sorted((pair.score, pair.positive) for pair in pairs)), 10)
    assert [row[:2] for row in found.steps] == [(number, 100) for number in range(1, 11)]
    assert [row[2:4] for row in found.steps] == [pytest.approx(tuple(part.mean(axis=0)), abs=1e-9) for part in parts]
    distance = np.mean([abs(part[:, 0].mean() - part[:, 1].mean()) for part in parts])
    assert found.calibration["expected_calibration_error"] == pytest.approx(distance, abs=1e-9)


def test_steps_of_the_score_hold_their_share_and_never_part_equal_scores():
    pairs = some_pairs(6, users=60, items=200)
    warm = set(range(150))
    found = measure(pairs, warm)
    assert sum(row[4] for row in found.bins) == len(pairs)
    for is_warm in (True, False):
        size = sum((pair.item in warm) == is_warm for pair in pairs)
        steps = {}
        for _, step, of_warm, _, count in found.bins:
            if of_warm == is_warm:
                steps[step] = steps.get(step, 0) + count
        assert max(steps.values()) <= size / 256 + 1
        assert 0 <= min(steps) <= max(steps) <= 511
    tied = measure(some_pairs(6, levels=5), warm).bins
    assert len({row[1] for row in tied}) == 7  # 0 to 1.2 in fifths


@pytest.mark.slow
@pytest.mark.parametrize("levels", [None, 50])
def test_threads_and_the_order_of_rows_leave_every_bit_alone(levels):
    # Past 122,880 rows (one row group) DuckDB really shares the work out.
    pairs = some_pairs(11, users=300, items=1200, levels=levels)
    if levels is None:
        pairs = as_probabilities(pairs)
    assert len(pairs) > 150_000
    shuffled = pairs.copy()
    Random(3).shuffle(shuffled)
    one = measure(pairs, warm=range(600), threads=1, low=range(75))
    assert measure(pairs, warm=range(600), threads=2, low=range(75)) == one
    assert measure(shuffled, warm=range(600), threads=2, low=range(75)) == one


def test_the_means_do_not_depend_on_the_order_of_the_users():
    random = Random(5)
    shares = [random.random() for _ in range(1000)]
    assert sum(shares) != sum(sorted(shares))  # plain sums of doubles would differ
    text = (SQL / "ranking_metrics.sql").read_text(encoding="utf-8")
    means = []
    for ordered in (shares, sorted(shares)):
        with duckdb.connect() as connection:
            connection.execute(
                "create table user_metrics as select 10 as cutoff, "
                "share as precision, share as recall, share as ndcg from (select unnest($shares) as share)",
                {"shares": ordered},
            )
            means.append(connection.execute(text).fetchall())
    assert means[0] == means[1]
    assert means[0][0][1:4] == pytest.approx([sum(shares) / 1000] * 3, abs=1e-12)


@st.composite
def pair_lists(draw):
    """Up to 40 distinct pairs of few users and items, with many ties and users of one class."""
    keys = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), min_size=1, max_size=40, unique=True))
    score = st.integers(-3, 3).map(lambda level: level / 4)
    return [Pair(user, item, draw(score), draw(st.booleans())) for user, item in keys]


laws = settings(deadline=None, max_examples=examples(15))


@laws
@given(pair_lists(), st.randoms(use_true_random=False))
def test_permuted_rows_change_nothing(pairs, random):
    shuffled = pairs.copy()
    random.shuffle(shuffled)
    assert measure(shuffled, warm=range(6)) == measure(pairs, warm=range(6))


@laws
@given(pair_lists())
def test_metrics_are_shares_and_agree_with_each_other(pairs):
    found = measure(pairs, warm=range(6))
    positives = {user: 0 for user, _ in found.users}
    for pair in pairs:
        if pair.positive:
            positives[pair.user] += 1
    for (user, cutoff), row in found.users.items():
        assert 0 <= row["precision"] <= 1
        assert 0 <= row["recall"] <= 1
        assert 0 <= row["ndcg"] <= 1
        assert row["precision"] * cutoff == pytest.approx(row["hits"], abs=1e-9)
        assert row["recall"] * positives[user] == pytest.approx(row["hits"], abs=1e-9)
    for user in positives:
        recalls = [found.users[user, cutoff]["recall"] for cutoff in CUTOFFS]
        assert recalls == sorted(recalls)
        assert recalls[-1] == 1.0
    for cutoff, row in found.means.items():
        own = [user for (_, at), user in found.users.items() if at == cutoff]
        assert row["users_evaluated"] == len(own) == len(positives)
        for metric in ("precision", "recall", "ndcg"):
            assert row[metric] == pytest.approx(sum(one[metric] for one in own) / len(own), abs=1e-12)


@laws
@given(pair_lists())
def test_the_perfect_ranking_has_ndcg_and_auc_of_one(pairs):
    perfect = [Pair(pair.user, pair.item, float(pair.positive), pair.positive) for pair in pairs]
    found = measure(perfect, warm=range(6))
    assert {row["ndcg"] for row in found.users.values()} <= {1.0}
    assert {row["auc"] for row in found.auc.values()} <= {1.0, None}


@laws
@given(pair_lists())
def test_a_rising_transform_of_the_scores_changes_nothing(pairs):
    risen = [Pair(pair.user, pair.item, 7 + exp(3 * pair.score), pair.positive) for pair in pairs]
    before, after = measure(pairs, warm=range(6)), measure(risen, warm=range(6))
    assert (after.users, after.means, after.auc) == (before.users, before.means, before.auc)


@laws
@given(pair_lists())
def test_reversed_scores_and_exchanged_classes_mirror_the_auc(pairs):
    auc = measure(pairs).auc["all"]["auc"]
    reversed_scores = [Pair(pair.user, pair.item, -pair.score, pair.positive) for pair in pairs]
    exchanged = [Pair(pair.user, pair.item, -pair.score, not pair.positive) for pair in pairs]
    if auc is None:
        assert measure(reversed_scores).auc["all"]["auc"] is None
    else:
        assert measure(reversed_scores).auc["all"]["auc"] == pytest.approx(1 - auc, abs=1e-12)
        assert measure(exchanged).auc["all"]["auc"] == pytest.approx(auc, abs=1e-12)
