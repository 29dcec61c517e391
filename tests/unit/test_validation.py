import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kraft.errors import InputError
from kraft.models.ranker.validation import COLD_VIDEOS_HELD, latest_rows

FRACTION = 0.2


def rows(n=5000, *, n_videos=300, cold_share=0.4, unknown_times=0.0, seed=1):
    """Labels, times, videos, and whether each of these has a history."""
    random = np.random.default_rng(seed)
    times = random.integers(0, 10 * n, n).astype(np.float64)
    times[random.random(n) < unknown_times] = np.nan
    videos = random.integers(0, n_videos, n).astype(np.int32)
    warm = (random.random(n_videos) >= cold_share)[videos]
    return random.random(n) < 0.3, times, videos, warm


@pytest.mark.parametrize("unknown_times", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("cold_share", [0.0, 0.4, 1.0])
def test_no_row_to_learn_from_is_later_than_one_to_validate_on(unknown_times, cold_share):
    labels, times, videos, warm = rows(unknown_times=unknown_times, cold_share=cold_share)
    split = latest_rows(labels, times, videos, warm, FRACTION)
    when = np.where(np.isnan(times), np.inf, times)
    assert when[split.train].max() <= when[split.validation].min()
    for part in split:
        assert part.dtype == np.int32
        assert (np.diff(part) > 0).all()
    assert not set(split.train) & set(split.validation)


@given(n=st.integers(20, 300), fraction=st.floats(0.05, 0.9), seed=st.integers(0, 99), ties=st.integers(1, 50))
def test_cold_videos_are_met_in_one_part_only(n, fraction, seed, ties):
    labels, times, videos, warm = rows(n, n_videos=20, unknown_times=0.1, seed=seed)
    times = np.floor(times / ties)
    try:
        split = latest_rows(labels, times, videos, warm, fraction)
    except InputError:
        assume(False)  # noqa: FBT003 - too few rows of a class
    when = np.where(np.isnan(times), np.inf, times)
    assert when[split.train].max() <= when[split.validation].min()
    train, validation = (set(videos[part][~warm[part]]) for part in split)
    assert not train & validation
    kept = len(split.train) + len(split.validation)
    assert kept == n if warm.all() else kept <= n


def test_every_row_of_a_video_with_history_is_used():
    labels, times, videos, warm = rows()
    split = latest_rows(labels, times, videos, warm, FRACTION)
    late = np.zeros(len(times), dtype=bool)
    late[np.argsort(times, kind="stable")[-1000:]] = True
    assert np.array_equal(split.validation[warm[split.validation]], np.flatnonzero(late & warm))
    assert np.array_equal(split.train[warm[split.train]], np.flatnonzero(~late & warm))


def test_rows_without_a_time_count_as_latest():
    labels, times, videos, warm = rows(cold_share=0.0)
    times[:1000] = np.nan
    split = latest_rows(labels, times, videos, warm, FRACTION)
    assert np.array_equal(split.validation, np.arange(1000))
    # Whatever the greatest number of a log is.
    times[2000] = np.inf
    assert np.array_equal(latest_rows(labels, times, videos, warm, FRACTION).validation, np.arange(1000))


def test_rows_of_one_time_count_as_later_the_further_down_they_stand():
    labels, times, videos, warm = rows(cold_share=0.0)
    times = np.floor(times / 10_000)
    split = latest_rows(labels, times, videos, warm, 0.37)
    assert np.array_equal(split.validation, np.sort(np.lexsort((np.arange(len(times)), times))[-1850:]))


def test_without_any_time_the_last_rows_are_the_latest():
    labels, times, videos, warm = rows(cold_share=0.0)
    split = latest_rows(labels, np.full_like(times, np.nan), videos, warm, FRACTION)
    assert np.array_equal(split.validation, np.arange(4000, 5000))


def test_a_quarter_of_the_videos_that_a_history_lacks_is_kept_for_validation():
    """Not more or less of them for how the history's own videos are held out (sql/rates/watch_times.sql)."""
    ids = np.arange(12_000, dtype=np.int64)
    spread = (ids * 7919 + 104_729) * 31 % 1009
    for least, most in ((0, 0.75 * 0.3), (0.75 * 0.3, 0.3), (0, 0.3)):
        cold = ids[(spread >= 1009 * least) & (spread < 1009 * most)].astype(np.int32)
        times, labels = np.repeat([0.0, 1.0], len(cold)), np.tile([True, False], len(cold))
        split = latest_rows(labels, times, np.tile(cold, 2), np.zeros(len(labels), dtype=bool), 0.5)
        assert len(split.validation) / len(cold) == pytest.approx(1 / COLD_VIDEOS_HELD, abs=0.03)
        assert len(split.train) + len(split.validation) == len(cold)


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("part", [slice(0, 4000), slice(4000, None)], ids=["train", "validation"])
def test_a_part_of_one_class_is_refused(label, part):
    labels, _, videos, warm = rows(cold_share=0.0)
    labels[part] = label
    with pytest.raises(InputError, match=r"^5,000 train rows, [\d,]+ of them positive, are too few .* on 20% of them"):
        latest_rows(labels, np.arange(5000.0), videos, warm, FRACTION)


@pytest.mark.parametrize(("n", "fraction"), [(0, 0.2), (1, 0.5), (2, 0.2), (5000, 0.0), (5000, 1.0)])
def test_a_part_without_rows_is_refused(n, fraction):
    columns = (column[:n] for column in rows(cold_share=0.0))
    with pytest.raises(InputError, match="are too few to train a ranker"):
        latest_rows(*columns, fraction)
