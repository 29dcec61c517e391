from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn import linear_model
from watch_times import ridge_by_hand

from kraft.models.watch_time.video_prior import (
    CATEGORIES,
    DAILY_SHARES,
    KNOTS,
    LEAST_VIDEOS,
    MOST_COLUMNS,
    STRENGTHS,
    Ridge,
    VideoAttributes,
    VideoPrior,
    read_attributes,
)


def chosen_strength(x, y):
    """The strength of which scikit-learn's ridge has the coefficients that were fitted, and these."""
    coefficients = Ridge(x).fit(y[:, None])[0][:, 0]
    tried = [linear_model.Ridge(alpha=alpha, fit_intercept=False).fit(x, y).coef_ for alpha in STRENGTHS]
    off = [np.abs(coefficients - other).max() for other in tried]
    return STRENGTHS[int(np.argmin(off))], min(off)


def regression(n=200, p=6, noise=1.0, signal=1.0, seed=1):
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), random.normal(size=(n, p - 1))])
    return x, signal * x @ random.normal(size=p) + noise * random.normal(size=n)


# --- ridge ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "signal"), [(1.0, 1.0), (1.0, 0.1), (0.01, 1.0), (1.0, 0.0)])
def test_the_coefficients_are_those_of_a_ridge_with_the_strength_of_greatest_evidence(noise, signal):
    x, y = regression(noise=noise, signal=signal)
    coefficients, variance = Ridge(x).fit(y[:, None])
    expected, residual_variance, strength = ridge_by_hand(x, y)
    np.testing.assert_allclose(coefficients[:, 0], expected, rtol=1e-7, atol=1e-10)
    assert variance[0] == pytest.approx(residual_variance, rel=1e-8)
    assert chosen_strength(x, y) == (strength, pytest.approx(0, abs=1e-8))


def test_noise_is_penalized_strongly_and_a_clear_signal_weakly():
    assert chosen_strength(*regression(signal=0.0, seed=2))[0] >= 100
    assert chosen_strength(*regression(noise=0.05))[0] <= 1


def test_the_residual_variance_is_that_of_the_noise():
    x, y = regression(n=400, p=40, noise=0.7)
    assert Ridge(x).fit(y[:, None])[1][0] == pytest.approx(0.49, rel=0.1)


def test_every_column_has_a_strength_of_its_own():
    x, noise = regression(signal=0.0, seed=2)
    clear = regression(noise=0.05)[1]
    both = Ridge(x).fit(np.column_stack([noise, clear]))
    for place, y in enumerate((noise, clear)):
        for found, alone in zip(both, Ridge(x).fit(y[:, None]), strict=True):
            np.testing.assert_allclose(found[..., place], alone[..., 0], rtol=1e-9)


def test_repeated_and_empty_columns_do_no_harm():
    x, y = regression()
    doubled = np.column_stack([x, x, np.zeros((len(x), 2))])
    coefficients, variance = Ridge(doubled).fit(y[:, None])
    np.testing.assert_allclose(coefficients[:6], coefficients[6:12], atol=1e-9)
    assert not coefficients[12:].any()
    assert np.isfinite(variance).all()
    # Twice the same columns are as half the strength is: the next but one of the grid is a quarter.
    np.testing.assert_allclose(doubled @ coefficients, x @ Ridge(x).fit(y[:, None])[0], atol=0.05)


@pytest.mark.parametrize("target", [0.0, 3.0])
def test_a_constant_target_leaves_no_variance(target):
    x, _ = regression()
    coefficients, variance = Ridge(x).fit(np.full((len(x), 1), target))
    np.testing.assert_allclose(x @ coefficients, target, atol=0.01)
    assert 0 <= variance[0] < 1e-4


def test_one_video_is_enough_to_go_on():
    coefficients, variance = Ridge(np.ones((1, 1))).fit(np.array([[2.0]]))
    assert 0 < coefficients.item() < 2
    assert np.isfinite(variance).all()


# --- two regressions --------------------------------------------------------------------------


def world(n_videos=300, with_daily=200):
    """Attributes, and factors that the daily figures explain."""
    random = np.random.default_rng(3)
    facts = np.column_stack([np.ones(n_videos), random.normal(size=(n_videos, 2))])
    has_daily = np.arange(n_videos) < with_daily
    daily = random.normal(size=(n_videos, 5)) * has_daily[:, None]
    factors = facts @ random.normal(size=(3, 2)) + daily @ random.normal(size=(5, 2))
    factors += 0.1 * random.normal(size=factors.shape)
    watched = np.arange(n_videos) % 2 == 0
    return VideoAttributes(csr_array(facts), daily, has_daily), watched, factors


def by_hand(x, factors, fitted):
    """Means of all rows of x, and the variances, when ``fitted`` of them are learned from."""
    found = [ridge_by_hand(x[fitted], factors[fitted, k]) for k in range(factors.shape[1])]
    return np.column_stack([x @ coefficients for coefficients, *_ in found]), np.array([one[1] for one in found])


def test_videos_with_daily_figures_have_a_regression_of_their_own():
    attributes, watched, factors = world()
    means, variances = VideoPrior(attributes, watched)(factors)
    daily = attributes.has_daily
    plain, plain_variance = by_hand(attributes.facts.toarray(), factors, watched)
    wide = np.concatenate([attributes.facts.toarray(), attributes.daily], axis=1)
    full, full_variance = by_hand(wide, factors, watched & daily)
    np.testing.assert_allclose(means[~daily], plain[~daily], atol=1e-8)
    np.testing.assert_allclose(means[daily], full[daily], atol=1e-8)
    np.testing.assert_allclose(variances[~daily], np.tile(plain_variance, (100, 1)))
    np.testing.assert_allclose(variances[daily], np.tile(full_variance, (200, 1)))
    assert (full_variance < 0.05 * plain_variance).all()


@pytest.mark.parametrize(("with_daily", "used"), [(2 * LEAST_VIDEOS, True), (2 * LEAST_VIDEOS - 2, False), (0, False)])
def test_few_watched_videos_with_daily_figures_are_not_learned_from(with_daily, used):
    attributes, watched, factors = world(with_daily=with_daily)
    means, variances = VideoPrior(attributes, watched)(factors)
    plain, plain_variance = by_hand(attributes.facts.toarray(), factors, watched)
    daily = attributes.has_daily
    np.testing.assert_allclose(means[~daily], plain[~daily], atol=1e-8)
    assert np.allclose(means[daily], plain[daily], atol=1e-8) != used or not with_daily
    assert np.allclose(variances, plain_variance) != used


def test_only_the_factors_of_watched_videos_are_looked_at():
    attributes, watched, factors = world()
    prior = VideoPrior(attributes, watched)
    expected = prior(factors)
    changed = np.where(watched[:, None], factors, 1e6)
    for one, other in zip(prior(changed), expected, strict=True):
        assert np.array_equal(one, other)


def test_facts_that_say_nothing_leave_the_mean():
    attributes, watched, factors = world(with_daily=0)
    empty = replace(attributes, facts=csr_array(attributes.facts * [1.0, 0.0, 0.0]))
    means, _ = VideoPrior(empty, watched)(factors)
    np.testing.assert_allclose(means, np.tile(factors[watched].mean(axis=0), (300, 1)), atol=0.1)
    assert np.ptp(means, axis=0).max() == 0


# --- attributes -------------------------------------------------------------------------------

VIDEOS = pl.DataFrame(
    {
        "item_id": [3, 5, 8, 9],
        "log_duration": [1.0, 3.0, None, 2.0],
        "caption_level_1": [7, None, 0, 7],
        "category_1": [2, 0, None, 1],
        "category_2": [4, None, None, None],
        "category_3": [None] * 4,
        "category_4": [None] * 4,
    },
    schema={
        "item_id": pl.Int32,
        "log_duration": pl.Float64,
        "caption_level_1": pl.Int32,
        **dict.fromkeys(CATEGORIES, pl.Int32),
    },
)
FIGURES = ("daily_log_time", *DAILY_SHARES)
DAILY = pl.DataFrame(
    {
        "item_id": [9, 3, 77],
        "daily_log_time": [1.0, 3.0, 9.0],
        "daily_complete": [0.2, 0.8, 0.9],
        "daily_long": [0.0, 1.0, 0.9],
        "daily_short": [0.5, 0.5, 0.9],
        "daily_progress": [None, 0.4, 0.9],
        "daily_days": [1, 2, 3],
    },
    schema={"item_id": pl.Int32, **dict.fromkeys(FIGURES, pl.Float64), "daily_days": pl.Int32},
)


def read(folder, videos=VIDEOS, daily=DAILY):
    videos.write_parquet(folder / "video_details.parquet")
    daily.write_parquet(folder / "daily_stats.parquet")
    return read_attributes(folder / "video_details.parquet", folder / "daily_stats.parquet")


def without(*names):
    return VIDEOS.with_columns(pl.lit(None).cast(VIDEOS.schema[name]).alias(name) for name in names)


def test_the_attributes_of_a_few_videos(tmp_path):
    attributes = read(tmp_path)
    constant, categories, captions, lengths = np.split(attributes.facts.toarray(), [1, 5, 7], axis=1)
    assert np.array_equal(constant, np.ones((4, 1)))
    assert np.array_equal(categories, [[0, 0, 0.5, 0.5], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    assert np.array_equal(captions, [[0, 1], [0, 0], [1, 0], [0, 1]])
    assert len(KNOTS) == 3
    np.testing.assert_allclose(lengths, [[-1, 0, 0, 0], [1, 1.5, 1, 0.5], [0, 0, 0, 0], [0, 0.5, 0, 0]])


def test_daily_figures_are_standardized_over_the_videos_that_have_them(tmp_path):
    attributes = read(tmp_path)
    assert attributes.has_daily.tolist() == [True, False, False, True]
    assert not attributes.daily[[1, 2]].any()
    # Two values each are one deviation either side; alike, or alone, they are 0.
    np.testing.assert_allclose(attributes.daily[0], [1, 1, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(attributes.daily[3], [-1, -1, -1, 0, 0], atol=1e-12)


def test_no_daily_figures_at_all(tmp_path):
    attributes = read(tmp_path, daily=DAILY.clear())
    assert not attributes.has_daily.any()
    assert np.array_equal(attributes.daily, np.zeros((4, 5)))
    np.testing.assert_array_equal(attributes.facts.toarray(), read(tmp_path).facts.toarray())


@pytest.mark.parametrize(
    ("missing", "width"),
    [(("log_duration",), 11), (("caption_level_1",), 9), (CATEGORIES, 7), (tuple(VIDEOS.columns[1:]), 5)],
    ids=["lengths", "captions", "categories", "all"],
)
def test_an_attribute_that_no_video_has_says_nothing(tmp_path, missing, width):
    attributes = read(tmp_path, without(*missing))
    assert attributes.facts.shape == (4, width)
    assert np.isfinite(attributes.facts.toarray()).all()
    means, variances = VideoPrior(attributes, np.array([True, True, False, True]))(np.ones((4, 2)))
    assert np.isfinite(means).all()
    assert np.isfinite(variances).all()


def test_no_videos_have_no_attributes(tmp_path):
    attributes = read(tmp_path, VIDEOS.clear())
    assert attributes.facts.shape[0] == len(attributes.daily) == len(attributes.has_daily) == 0


@pytest.mark.parametrize("column", [*CATEGORIES[:1], "caption_level_1"])
def test_the_value_of_a_category_sizes_nothing(tmp_path, column):
    huge = VIDEOS.with_columns(pl.when(pl.col(column) > 1).then(2_147_483_000).otherwise(column).alias(column))
    np.testing.assert_array_equal(
        np.sort(read(tmp_path, huge).facts.toarray(), axis=1), np.sort(read(tmp_path).facts.toarray(), axis=1)
    )


@pytest.mark.parametrize(("column", "name"), [("category_1", "categories"), ("caption_level_1", "captions")])
def test_a_category_a_video_does_not_give_a_column_a_video(tmp_path, column, name):
    n = 5 * MOST_COLUMNS
    videos = pl.DataFrame(
        {"item_id": range(n), column: [max(number - 9, 0) for number in range(n)]},
        schema={"item_id": pl.Int32, column: pl.Int32},
    )
    blank = [
        pl.lit(None).cast(kind).alias(other) for other, kind in VIDEOS.schema.items() if other not in videos.columns
    ]
    attributes = read(tmp_path, videos.with_columns(blank))
    assert attributes.facts.shape == (n, 1 + MOST_COLUMNS + 4)
    assert attributes.sharing == {name: n - 9 - (MOST_COLUMNS - 1)}
    # Each video has one fact beside the constant: its category, or that of the rarest.
    assert np.array_equal(attributes.facts.sum(axis=1), np.full(n, 2.0))
    assert attributes.facts[:, [MOST_COLUMNS]].sum() == n - 9 - (MOST_COLUMNS - 1)
    assert attributes.facts.nnz <= 2 * n
