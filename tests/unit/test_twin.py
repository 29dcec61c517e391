"""The made-up world behind a twin."""

import numpy as np
import pytest

from kraft.data.twin.calendar import ALL_DAYS, FIRST_DAY, TRAIN_DAYS, TRAIN_TRAFFIC_SHARE, make_calendar
from kraft.data.twin.interactions import make_windows
from kraft.data.twin.world import make_world


@pytest.fixture(scope="module")
def world():
    generator = np.random.default_rng(1)
    return make_world(200, [[int(number)] for number in generator.integers(0, 31, 300)], generator)


def test_the_closed_form_probability_is_what_the_draws_show(world):
    generator = np.random.default_rng(2)
    users = generator.integers(0, 200, 400_000).astype(np.int32)
    items = generator.integers(0, 300, 400_000).astype(np.int32)
    probability = world.positive_probability(users, items)
    positive = world.play_ms(users, items, generator) >= world.duration_ms[items]
    for low in np.arange(0, 1, 0.1):
        near = (probability >= low) & (probability < low + 0.1)
        if near.sum() > 2_000:
            assert positive[near].mean() == pytest.approx(probability[near].mean(), abs=0.03)


def test_watch_time_hardly_depends_on_the_length(world):
    generator = np.random.default_rng(3)
    users = generator.integers(0, 200, 100_000).astype(np.int32)
    items = generator.integers(0, 300, 100_000).astype(np.int32)
    time, length = world.log_time(users, items), np.log(world.duration_ms[items])
    assert abs(np.corrcoef(time, length)[0, 1]) < 0.25


def test_moments_rise_with_their_share_and_keep_to_the_calendar():
    calendar = make_calendar(np.random.default_rng(4))
    moments = calendar.moments(np.linspace(0, 1, 1_000))
    assert (np.diff(moments) >= 0).all()
    assert moments[0] == FIRST_DAY.timestamp()
    assert moments[-1] == FIRST_DAY.timestamp() + ALL_DAYS * 86_400
    boundary = calendar.moments(np.array([TRAIN_TRAFFIC_SHARE]))[0]
    assert boundary == FIRST_DAY.timestamp() + TRAIN_DAYS * 86_400


def test_a_tenth_of_the_videos_opens_after_the_boundary_and_only_those_are_never_early():
    windows = make_windows(3_327, np.random.default_rng(5))
    cold = windows.opens > TRAIN_TRAFFIC_SHARE
    assert cold.sum() == 334
    assert (windows.late[cold] == 1).all()
    assert (windows.late[~cold] < 1).all()
