"""The made-up world behind synthetic data."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kraft.logs.synthetic.blocks import blocks
from kraft.logs.synthetic.calendar import ALL_DAYS, FIRST_DAY, TRAIN_HOURS, TRAIN_TRAFFIC_SHARE, make_calendar
from kraft.logs.synthetic.lengths import LENGTH_QUANTILES, draw_lengths
from kraft.logs.synthetic.population import MAX_RATIO, make_world
from kraft.logs.synthetic.statistic import Scale, Statistic
from kraft.logs.synthetic.windows import TRAIN_SHARE, UNTIMED, make_habits, make_windows

N_USERS, N_ITEMS = 200, 1_000


@pytest.fixture(scope="module")
def world():
    generator = np.random.default_rng(1)
    categories = [[int(number)] for number in generator.integers(0, 31, N_ITEMS)]
    users, items = np.arange(N_USERS, dtype=np.int32), np.arange(N_ITEMS, dtype=np.int32)
    return make_world(users, items, categories, users, items, generator)


@pytest.fixture(scope="module")
def drawn(world):
    generator = np.random.default_rng(2)
    users = generator.integers(0, N_USERS, 400_000).astype(np.int32)
    items = generator.integers(0, N_ITEMS, 400_000).astype(np.int32)
    return users, items, world.play_ms(users, items, generator)


def test_the_closed_form_probability_is_what_the_draws_show(world, drawn):
    users, items, play = drawn
    probability = world.positive_probability(users, items)
    positive = play / world.duration_ms[items] >= 1
    for low in np.arange(0, 1, 0.1):
        near = (probability >= low) & (probability < low + 0.1)
        assert near.sum() > 2_000
        assert positive[near].mean() == pytest.approx(probability[near].mean(), abs=0.02)
    assert positive.mean() == pytest.approx(probability.mean(), abs=0.002)


def test_a_perfect_model_would_reach_an_auc_near_kuairecs_ceiling(world, drawn):
    users, items, play = drawn
    positive = play >= world.duration_ms[items]
    assert 0.82 < roc_auc_score(positive, world.positive_probability(users, items)) < 0.87


def test_watch_time_hardly_depends_on_the_length(world, drawn):
    _, items, play = drawn
    length = world.duration_ms[items]
    medians = [
        np.median(play[(length > low) & (length <= high)])
        for low, high in ((4_000, 7_000), (7_000, 9_000), (9_000, 12_000), (12_000, 16_000), (16_000, 320_000))
    ]
    assert max(medians) / min(medians) < 1.35
    assert np.median(play) == pytest.approx(7_500, rel=0.1)


def test_the_tail_of_the_watch_ratio_is_heavy_and_ends_where_kuairecs_does(world, drawn):
    _, items, play = drawn
    ratio = play / world.duration_ms[items]
    assert 100 < ratio.max() <= MAX_RATIO + 1
    assert ratio.min() == 0


def test_categories_and_length_say_something_of_a_video_that_nobody_has_seen(world):
    rate = np.array([
        world.positive_probability(np.arange(N_USERS, dtype=np.int32), np.full(N_USERS, item, np.int32)).mean()
        for item in range(N_ITEMS)
    ])  # fmt: skip
    assert np.corrcoef(rate, -np.log(world.duration_ms))[0, 1] > 0.5
    # 31 categories by chance alone would explain 3 % of a video's style.
    own = world.style - world.style.mean(axis=0)
    nearest = np.array([np.argsort(-(own @ own[item]))[1:6] for item in range(N_ITEMS)])
    alike = (own[:, None, :] * own[nearest]).sum(axis=2).mean()
    assert alike > 0


def test_lengths_follow_kuairecs_quantiles_in_small_matrix_and_outside():
    generator = np.random.default_rng(3)
    membership = np.eye(31, dtype=np.float32)[generator.integers(0, 31, 3_000)]
    small = np.sort(generator.choice(3_000, 900, replace=False)).astype(np.int32)
    lengths = draw_lengths(membership, small, generator)
    for part in (lengths[small], np.delete(lengths, small)):
        found = np.quantile(part, list(LENGTH_QUANTILES))
        assert found == pytest.approx(list(LENGTH_QUANTILES.values()), rel=0.02)
        assert part.mean() == pytest.approx(14_486, rel=0.01)


def test_moments_rise_with_their_share_and_keep_to_the_calendar():
    calendar = make_calendar(np.random.default_rng(4))
    moments = calendar.moments(np.linspace(0, 1, 1_000))
    assert (np.diff(moments) >= 0).all()
    assert moments[0] == FIRST_DAY.timestamp()
    assert moments[-1] == FIRST_DAY.timestamp() + ALL_DAYS * 86_400
    boundary = calendar.moments(np.array([TRAIN_TRAFFIC_SHARE]))[0]
    assert boundary == FIRST_DAY.timestamp() + TRAIN_HOURS * 3_600


@pytest.mark.parametrize("n_items", [50, 500, 3_327])
def test_windows_leave_a_fifth_of_the_rows_for_the_test_period(n_items):
    generator = np.random.default_rng(5)
    windows = make_windows(generator.standard_normal(n_items), generator)
    cold = windows.opens > TRAIN_TRAFFIC_SHARE
    assert cold.sum() == round(334 / 3_327 * n_items)
    assert (windows.late[cold] == 1).all()
    assert (windows.late[~cold] < 1).all()
    assert windows.untimed.mean() == pytest.approx(UNTIMED)
    in_test = windows.untimed + (1 - windows.untimed) * windows.late
    assert in_test.mean() == pytest.approx(1 - TRAIN_SHARE, abs=0.003)


def test_habits_differ_around_one():
    habits = make_habits(500, np.random.default_rng(6))
    assert habits.haste.mean() == pytest.approx(1)
    assert habits.loss.mean() == pytest.approx(1)
    assert habits.haste.std() > 0.2


def test_a_blocks_chance_depends_on_its_number_alone():
    root = np.random.SeedSequence(7)
    first = {number: generator.random() for number, generator in blocks(100, 10, root)}
    again = {number: generator.random() for number, generator in blocks(55, 10, root)}
    assert list(first) == list(range(10))
    assert again == {number: first[number] for number in range(6)}
    assert len(set(first.values())) == 10


def test_a_statistic_is_off_beyond_its_tolerance():
    assert Statistic("a", 200.0, 209.9, 0.05).ok
    assert not Statistic("a", 200.0, 210.1, 0.05).ok
    assert not Statistic("a", 200.0, float("nan"), 0.05).ok
    assert Statistic("a", 0, 3, exact=3).ok
    assert not Statistic("a", 0, 3.5, exact=3).ok
    assert Statistic("days", 45, 48, exact=1).line().split() == ["days", "45", "48", "+-1", "off"]


def test_tolerances_grow_only_where_the_data_is_smaller():
    assert Scale(1_411, 3_327).few_users == 1
    assert Scale(5_644, 3_327).few_users == 1
    assert Scale(1_411, 3_327 // 4).few_items == pytest.approx(2, rel=0.001)
