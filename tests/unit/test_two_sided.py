"""Scores by sides are LightGBM's own, bit by bit."""

from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest

from kraft.models import two_sided
from kraft.models.two_sided import Side, TwoSided

N_USERS, N_VIDEOS, N_ROWS = 40, 60, 3000
OF_USER = np.array([True, True, True, False, False, False])
CATEGORICAL = [0, 3]


def world(seed=1, *, missing=False):
    """Users and videos, each with a category and two numbers, and who met what."""
    random = np.random.default_rng(seed)
    users = np.zeros((N_USERS, 6), np.float32)
    videos = np.zeros((N_VIDEOS, 6), np.float32)
    for vectors, first in ((users, 0), (videos, 3)):
        vectors[:, first] = random.integers(0, 40, len(vectors))
        vectors[:, first + 1 : first + 3] = random.normal(size=(len(vectors), 2))
        # Zeros, which LightGBM may treat as missing, and ties with the thresholds.
        vectors[::3, first + 1] = 0
        if missing:
            vectors[1::4, first + 2] = np.nan
    user, video = random.integers(0, N_USERS, N_ROWS), random.integers(0, N_VIDEOS, N_ROWS)
    # A side's vectors are 0 in the other side's columns.
    rows = users[user] + videos[video]
    return Side(users, user), Side(videos, video), rows


def train(rows, seed=2, rounds=20, **parameters):
    random = np.random.default_rng(seed)
    known = np.nan_to_num(rows)
    label = (
        known[:, 1] * known[:, 4] + known[:, 2] + (known[:, 0] % 3 == known[:, 3] % 3) + random.normal(size=len(rows))
        > 0.5
    )
    chosen = {
        "objective": "binary",
        "num_leaves": 31,
        "min_data_in_leaf": 5,
        "verbosity": -1,
        "num_threads": 1,
        **parameters,
    }
    data = lightgbm.Dataset(rows, label=label.astype(np.float32), categorical_feature=CATEGORICAL)
    if chosen["objective"] == "lambdarank":
        data.set_group([len(rows) // 10] * 10)
    return lightgbm.train(chosen, data, rounds)


def scores(booster, users, videos):
    model = TwoSided.of(booster, OF_USER)
    with ThreadPoolExecutor(2) as pool:
        return model.predict(users, videos, pool)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"num_leaves": 32, "max_depth": 3},
        {"zero_as_missing": True},
        {"objective": "lambdarank"},
        {"min_data_in_leaf": 2000},
    ],
)
def test_scores_are_lightgbms_to_the_last_bit(missing, parameters):
    users, videos, rows = world(missing=missing)
    booster = train(rows, **parameters)

    assert np.array_equal(scores(booster, users, videos), booster.predict(rows))


def test_categories_that_training_never_saw_go_where_lightgbm_sends_them():
    *_, rows = world()
    booster = train(rows)
    other, others, _ = world(seed=3)
    other.vectors[:8, 0], others.vectors[:4, 3] = [-3, 41, 63, 64, 95, 10_000, 0.5, -0.5], [31, 32, 33, 1e6]

    expected = booster.predict(other.vectors[other.place] + others.vectors[others.place])
    assert np.array_equal(scores(booster, other, others), expected)


def test_room_and_cuts_change_nothing(monkeypatch):
    users, videos, rows = world()
    booster = train(rows)
    expected = booster.predict(rows)
    # Room for 30 of the 100 vectors, a prime number of pairs at a time.
    monkeypatch.setattr(two_sided, "ROOM", 30 * 4 * booster.num_trees())
    monkeypatch.setattr(two_sided, "PAIRS_AT_ONCE", 101)
    monkeypatch.setattr(two_sided, "TREES_AT_ONCE", 3)
    monkeypatch.setattr(two_sided, "VECTORS_AT_ONCE", 7)
    assert np.array_equal(scores(booster, users, videos), expected)


def test_masks_that_were_kept_serve_again():
    users, videos, rows = world()
    booster = train(rows)
    model = TwoSided.of(booster, OF_USER)
    half = N_ROWS // 2
    with ThreadPoolExecutor(1) as pool:
        parts = [
            model.predict(users.part(part), videos.part(part), pool) for part in (slice(None, half), slice(half, None))
        ]
    assert np.array_equal(np.concatenate(parts), booster.predict(rows))


def test_a_model_of_another_kind_is_left_to_lightgbm():
    _, _, rows = world()
    assert TwoSided.of(train(rows, num_leaves=40), OF_USER) is None
    assert TwoSided.of(train(rows, objective="regression"), OF_USER) is None
    assert TwoSided.of(train(rows, boosting="rf", bagging_freq=1, bagging_fraction=0.5), OF_USER) is None
    assert TwoSided.of(train(rows, linear_tree=True), OF_USER) is None


def test_scores_far_from_zero_are_no_error():
    assert two_sided.probability(-1e4) == 0
    assert two_sided.probability(1e4) == 1
