"""Intervals over resampled users: by hand, by their laws, and their AUC against scikit-learn's."""

from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kraft.evaluation import intervals as bootstrap
from kraft.evaluation.intervals import BINS, Estimate, Resampled, Resamples, aucs, cell_of

FOLDER = TemporaryDirectory()
"""Removed at the end of the process."""


def drawn(users, **options):
    """Resamples in a folder of their own."""
    return Resamples(users, Path(mkdtemp(dir=FOLDER.name)), **options)


def weights_of(resamples):
    """Shape (1 + resamples, users)."""
    return resamples.weights(slice(0, resamples.users)).T


def resampled(values, users=None, seed=42):
    values = np.asarray(values, dtype=float)
    known = values[~np.isnan(values)]
    return Resampled(known.mean(), drawn(users or len(values), seed=seed).means(values))


def test_the_first_row_is_the_sample_itself_and_every_resample_has_as_many_users():
    weights = weights_of(drawn(37))
    assert weights.shape == (1001, 37)
    assert (weights[0] == 1).all()
    assert set(weights.sum(axis=1)) == {37}


def test_the_resamples_of_a_seed_are_always_the_same_and_of_another_others():
    assert (weights_of(drawn(50)) == weights_of(drawn(50))).all()
    assert (weights_of(drawn(50, seed=43)) != weights_of(drawn(50))).any()


def test_resamples_do_not_depend_on_the_blocks_that_they_are_written_and_read_in(monkeypatch):
    values = np.random.default_rng(5).uniform(size=300)
    values[::7] = np.nan
    whole = drawn(300)
    for name, length in (("USERS_WRITTEN", 7), ("ROWS_AT_ONCE", 33), ("USERS_AT_ONCE", 11)):
        monkeypatch.setattr(bootstrap, name, length)
    parts = drawn(300)
    assert (weights_of(parts) == weights_of(whole)).all()
    assert parts.most == whole.most == weights_of(whole).max()
    found = parts.means(values)
    monkeypatch.undo()
    assert (found == whole.means(values)).all()


def test_users_that_are_all_alike_leave_no_doubt():
    found = resampled([0.3] * 20).estimate()
    assert found == pytest.approx((0.3, 0.3, 0.3), abs=1e-12)
    assert found.low == found.high


def test_an_interval_by_hand():
    # Of two users, one of 0 and one of 1, a resample has mean 0, 1/2 or 1, in shares of 1/4, 1/2 and 1/4.
    draws = resampled([0.0, 1.0]).draws
    shares = [np.isclose(draws[1:], value).mean() for value in (0, 0.5, 1)]
    assert draws[0] == 0.5
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.05)
    assert resampled([0.0, 1.0]).estimate() == (0.5, 0.0, 1.0)


def test_the_interval_is_that_of_the_normal_distribution_where_many_users_are_drawn():
    values = np.random.default_rng(1).uniform(size=2000)
    found = resampled(values).estimate()
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - half, rel=0.003)
    assert found.high == pytest.approx(values.mean() + half, rel=0.003)


def test_a_shift_of_every_user_shifts_the_interval():
    values = np.random.default_rng(2).uniform(size=100)
    before, after = resampled(values).estimate(), resampled(values + 0.125).estimate()
    assert after == pytest.approx([part + 0.125 for part in before], abs=1e-11)


def test_users_without_a_value_do_not_count():
    found = resampled([0.25, np.nan, 0.25, np.nan])
    assert found.draws[0] == 0.25
    # A resample of such users alone is undefined, and left out.
    assert np.isnan(found.draws).any()
    assert found.estimate() == (0.25, 0.25, 0.25)


def test_what_is_undefined_has_no_interval():
    nothing = Resampled(None, drawn(3).means(np.full(3, np.nan)))
    assert nothing.estimate() == Estimate(None, None, None)
    assert nothing.minus(resampled([0.5, 0.5, 0.5])) == Estimate(None, None, None)
    assert resampled([0.5, 0.5, 0.5]).minus(nothing) == Estimate(None, None, None)


def test_paired_differences_are_antisymmetric_and_narrower_than_the_unpaired():
    random = np.random.default_rng(3)
    first = random.uniform(size=200)
    second = first - 0.05 + random.normal(scale=0.01, size=200)
    a, b = resampled(first), resampled(second)
    one, other = a.minus(b), b.minus(a)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-12)
    assert 0 < one.low < one.value < one.high
    assert one.high - one.low < (a.estimate().high - a.estimate().low) / 10
    assert a.minus(a) == (0, 0, 0)


def test_the_exact_figure_moves_the_interval():
    draws = np.array([0.5, 0.4, 0.5, 0.6])
    exact, binned = Resampled(0.51, draws).estimate(), Resampled(0.5, draws).estimate()
    assert exact == pytest.approx([part + 0.01 for part in binned], abs=1e-12)


# --- the AUC of resamples ---------------------------------------------------------------------


def some_scores(seed, users=80, pairs=12_000, shape="even"):
    """Users, scores, warm, positive: cold pairs score lower; the positives are told apart a little."""
    random = np.random.default_rng(seed)
    user = np.sort(random.integers(0, users, pairs))
    warm = random.random(pairs) < 0.6
    positive = random.random(pairs) < 0.3
    score = random.random(pairs) + 0.15 * positive + warm * 0.8
    if shape == "steep":
        score = np.exp(20 * score)
    if shape == "tied":
        score = np.round(score * 20)
    return user, score, warm, positive


def counts(user, score, warm, positive, users_a_part=7):
    """What `user_bins` holds of them, in parts that cut through users."""
    ordered = np.sort(score)
    below = np.searchsorted(ordered, score)
    steps = (BINS - 1) * below // len(score)
    cells = cell_of(steps, warm.astype(np.int64), positive.astype(np.int64))
    for start in range(0, len(user), 1000 * users_a_part + 13):
        part = slice(start, start + 1000 * users_a_part + 13)
        yield user[part], cells[part], np.ones(len(user[part]), dtype=np.int64)


@pytest.mark.parametrize("shape", ["even", "steep", "tied"])
def test_auc_of_the_sample_is_within_a_thousandth_of_the_exact_one(shape):
    data = some_scores(1, shape=shape)
    _, score, warm, positive = data
    found = aucs(drawn(80, resamples=3).histograms(counts(*data)))
    for subset, rows in {"all": warm | True, "warm items": warm, "cold items": ~warm}.items():
        assert found[subset][0] == pytest.approx(roc_auc_score(positive[rows], score[rows]), abs=1e-3)


def test_auc_of_a_resample_is_that_of_its_pairs():
    data = some_scores(2, users=700)
    user, score, _, positive = data
    resamples = drawn(700, resamples=5)
    found = aucs(resamples.histograms(counts(*data)))["all"]
    for row, weights in enumerate(weights_of(resamples)):
        expected = roc_auc_score(positive, score, sample_weight=weights[user])
        assert found[row] == pytest.approx(expected, abs=1e-3)
    assert len(set(found)) == 6


@pytest.mark.parametrize("pairs", [1, 2**20, 2**24 + 1], ids=["few", "many", "more than single precision counts"])
def test_histograms_are_exact_however_many_pairs_there_are(pairs):
    users, resamples = 300, drawn(300, resamples=20)
    counts = pairs + np.arange(users)
    found = resamples.histograms([(np.arange(users), np.arange(users) % 3, counts)])
    for cell in range(3):
        here = np.arange(users) % 3 == cell
        assert found[:, cell].tolist() == (weights_of(resamples)[:, here].astype(np.int64) @ counts[here]).tolist()


def test_histograms_are_whole_numbers_that_add_up_whatever_the_parts():
    data = some_scores(3, users=600)
    resamples = drawn(600, resamples=20)
    found = resamples.histograms(counts(*data))
    assert (found == resamples.histograms(counts(*data, users_a_part=1))).all()
    assert (found == np.rint(found)).all()
    sizes = np.bincount(data[0], minlength=600)
    assert (found.sum(axis=1) == weights_of(resamples).astype(int) @ sizes).all()


def test_a_subset_without_pairs_has_no_auc():
    user, score, warm, positive = some_scores(4)
    found = aucs(drawn(80, resamples=3).histograms(counts(user, score, warm | True, positive)))
    assert np.isnan(found["cold items"]).all()
    assert (found["all"] == found["warm items"]).all()
    assert Resampled(None, found["cold items"]).estimate() == Estimate(None)
