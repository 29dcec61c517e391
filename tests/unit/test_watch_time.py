import numpy as np
import pytest
from scipy.sparse import csr_array
from watch_times import attributes_of, features, of_all_pairs, ridge_by_hand, simulate, write_pages

from kraft import columns
from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError
from kraft.models.watch_time import fit as watch_time
from kraft.models.watch_time import log_matrix as time_pages
from kraft.models.watch_time.video_prior import VideoAttributes
from kraft.settings import WatchTimeSettings

SETTINGS = WatchTimeSettings(rank=2, sweeps=12, seed=42)
COLD_SHARE = 0.25


def fit(folder, times, attributes=None, settings=SETTINGS, *, video_index=None, threads=2):
    """The model of a matrix of times, one column a video that has a history."""
    by_user, by_video, videos = write_pages(folder, times, video_index)
    attributes = attributes or attributes_of(n_videos=times.shape[1])
    return watch_time.fit(by_user, by_video, videos, attributes, settings, threads=threads, progress=Progress(QUIET))


def correlation(one, other):
    return np.corrcoef(one, other)[0, 1]


@pytest.fixture(scope="module")
def world():
    return simulate(260, 240, observed=0.75)


@pytest.fixture(scope="module")
def model(world, tmp_path_factory):
    return fit(tmp_path_factory.mktemp("pages"), world.history)


@pytest.fixture(scope="module")
def cold_world():
    """A world of which a quarter of the videos have no history; an attribute explains most of their level."""
    return simulate(150, 400, explained=0.95, seed=3)


@pytest.fixture(scope="module")
def watched(cold_world):
    return np.random.default_rng(4).random(len(cold_world.fact)) > COLD_SHARE


@pytest.fixture(scope="module")
def cold_model(cold_world, watched, tmp_path_factory):
    return fit(
        tmp_path_factory.mktemp("pages"),
        cold_world.history[:, watched],
        attributes_of(cold_world.fact),
        video_index=np.flatnonzero(watched),
    )


# --- what is fitted ---------------------------------------------------------------------------


@pytest.mark.parametrize("observed", [0.6, 0.9])
def test_a_planted_model_is_recovered(tmp_path, observed):
    world = simulate(260, 240, observed=observed, noise=0.4, seed=int(100 * observed))
    model = fit(tmp_path, world.history)
    unseen = np.isnan(world.history)
    predicted = of_all_pairs(model)["margin"]
    assert correlation(predicted[unseen], world.truth[unseen]) > 0.95
    assert np.mean(predicted[unseen] - world.truth[unseen]) == pytest.approx(0, abs=0.02)
    assert model.noise == pytest.approx(0.4**2, rel=0.1)


def test_more_dimensions_than_there_are_do_not_fit_the_noise(tmp_path, world, model):
    wide = fit(tmp_path, world.history, settings=SETTINGS.model_copy(update={"rank": 6}))
    unseen = np.isnan(world.history)
    off = [np.sqrt(np.mean((of_all_pairs(m)["margin"] - world.truth)[unseen] ** 2)) for m in (model, wide)]
    assert off[1] < 1.3 * off[0]
    assert wide.noise == pytest.approx(0.4**2, rel=0.1)


def test_the_uncertainty_is_the_spread_of_what_comes(world, model):
    unseen = np.isnan(world.history)
    said = of_all_pairs(model)
    off = (world.watched - said["margin"]) / said["uncertainty"]
    assert np.std(off[unseen]) == pytest.approx(1, rel=0.05)


def test_a_video_without_history_is_predicted_from_its_attributes(cold_world, watched, cold_model):
    said = of_all_pairs(cold_model)
    level = cold_world.truth.mean(axis=0)
    assert correlation(said["video_level"][0, ~watched], level[~watched]) > 0.9
    assert cold_model.video_variance[~watched, 0].min() > cold_model.video_variance[watched, 0].max()
    off = ((cold_world.watched - said["margin"]) / said["uncertainty"])[:, ~watched]
    assert np.std(off) == pytest.approx(1, rel=0.1)


def test_an_unknown_user_is_the_mean_user_with_the_users_spread(world, model):
    said = features(model, [-1], np.arange(len(model.video)))
    assert not said["user_level"].any()
    assert not said["taste"].any()
    # What another user of the same kind would do: as these did.
    off = (world.watched - said["margin"]) / said["uncertainty"]
    assert np.std(off) == pytest.approx(1, rel=0.05)


# --- against the equations --------------------------------------------------------------------


def swept_by_hand(times, attributes, video_index, settings):
    """The same variational updates one user and one video at a time, in float64."""
    n_users, n_videos = times.shape
    d, met = settings.rank + 1, ~np.isnan(times)
    mean = np.nanmean(times)
    random = np.random.default_rng(settings.seed)
    user, video = np.zeros((n_users, d)), np.zeros((n_videos, d))
    user[:, 1:] = 0.1 * random.standard_normal((n_users, d - 1))
    video[:, 1:] = 0.1 * random.standard_normal((n_videos, d - 1))
    user_covariance, video_covariance = np.zeros((n_users, d, d)), np.zeros((n_videos, d, d))
    user_scale, video_scale = np.full(d, 0.1), np.full(d, 0.1)
    facts = attributes.facts.toarray()
    prior, prior_variance = np.zeros((len(facts), d)), np.full((len(facts), d), 0.1)
    noise = np.mean((times[met] - mean) ** 2)

    def posterior(others, other_means, other_covariances, values, expected, scale):
        """Mean, covariance, and degrees of freedom of one user or video that met ``others``."""
        precision, pull, seen = np.diag(1 / scale), expected / scale, np.zeros((d, d))
        for other, value in zip(others, values, strict=True):
            design = np.concatenate([[1.0], other_means[other, 1:]])
            second = np.outer(design, design)
            second[1:, 1:] += other_covariances[other, 1:, 1:]
            seen += second
            first = (value - mean - other_means[other, 0]) * design
            first[1:] -= other_covariances[other, 0, 1:]
            pull = pull + first / noise
        covariance = np.linalg.inv(precision + seen / noise)
        return covariance @ pull, covariance, np.trace(covariance @ seen) / noise

    for sweep in range(settings.sweeps):
        freedom = 0.0
        for u in range(n_users):
            others = np.flatnonzero(met[u])
            user[u], user_covariance[u], taken = posterior(
                others, video, video_covariance, times[u, others], np.zeros(d), user_scale
            )
            freedom += taken
        user_scale = np.mean(user**2 + np.einsum("nii->ni", user_covariance), axis=0)
        for i in range(n_videos):
            others = np.flatnonzero(met[:, i])
            video[i], video_covariance[i], taken = posterior(
                others, user, user_covariance, times[others, i], prior[video_index[i]], video_scale
            )
            freedom += taken
        if sweep:
            for k in range(d):
                coefficients, prior_variance[:, k], _ = ridge_by_hand(facts[video_index], video[:, k])
                prior[:, k] = facts @ coefficients
        off = video - prior[video_index]
        video_scale = np.mean(off**2 + np.einsum("nii->ni", video_covariance), axis=0)
        predicted = mean + user[:, :1] + video[:, 0] + user[:, 1:] @ video[:, 1:].T
        noise = np.sum((times - predicted)[met] ** 2) / (met.sum() - freedom)
        for k in range(1, d):
            c = ((video_scale[k] + np.mean(prior[video_index, k] ** 2)) / user_scale[k]) ** 0.25
            user[:, k], video[:, k], prior[:, k] = user[:, k] * c, video[:, k] / c, prior[:, k] / c
            user_covariance[:, k] *= c
            user_covariance[:, :, k] *= c
            video_covariance[:, k] /= c
            video_covariance[:, :, k] /= c
            prior_variance[:, k] /= c**2
            user_scale[k], video_scale[k] = user_scale[k] * c**2, video_scale[k] / c**2
    prior[video_index], prior_variance[video_index] = video, np.einsum("nii->ni", video_covariance)
    return user, np.einsum("nii->ni", user_covariance), prior, prior_variance, mean, noise


@pytest.mark.parametrize("sweeps", [1, 2, 3])
def test_the_sweeps_are_those_of_the_equations(tmp_path, monkeypatch, sweeps):
    monkeypatch.setattr(time_pages, "BLOCK_ROWS", 16)
    world = simulate(40, 60, observed=0.7, explained=0.7, seed=6)
    settings = WatchTimeSettings(rank=3, sweeps=sweeps, seed=5)
    video_index, attributes = np.arange(0, 60, 2), attributes_of(world.fact, np.abs(world.fact))
    times = world.history[:, video_index]
    fitted = fit(tmp_path, times, attributes, settings, video_index=video_index)
    *expected, mean, noise = swept_by_hand(times, attributes, video_index, settings)
    for name, matrix in zip(("user", "user_variance", "video", "video_variance"), expected, strict=True):
        np.testing.assert_allclose(getattr(fitted, name), matrix, rtol=0, atol=1e-4, err_msg=name)
    assert fitted.mean == pytest.approx(mean, abs=1e-6)
    assert fitted.noise == pytest.approx(noise, rel=1e-4)


# --- what must not matter ---------------------------------------------------------------------


def test_the_model_does_not_depend_on_the_threads(tmp_path, monkeypatch, world):
    monkeypatch.setattr(time_pages, "BLOCK_ROWS", 32)
    settings = SETTINGS.model_copy(update={"sweeps": 3})
    one, two = (fit(tmp_path / str(n), world.history, settings=settings, threads=n) for n in (1, 2))
    for name in ("user", "user_variance", "video", "video_variance"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert (one.mean, one.noise) == (two.mean, two.noise)


def test_how_the_rows_are_cut_changes_the_last_bits_only(tmp_path, monkeypatch, world, model):
    monkeypatch.setattr(time_pages, "BLOCK_ROWS", 7)
    cut = fit(tmp_path, world.history)
    np.testing.assert_allclose(cut.user, model.user, rtol=0, atol=1e-4)
    np.testing.assert_allclose(cut.video, model.video, rtol=0, atol=1e-4)


def test_which_row_is_whose_does_not_matter(tmp_path, world):
    """Permuted users get permuted levels; their tastes start by chance, so the fits differ as runs do."""
    order = np.random.default_rng(9).permutation(len(world.history))
    straight, permuted = (
        fit(tmp_path / str(k), times) for k, times in enumerate((world.history, world.history[order]))
    )
    expected, found = of_all_pairs(straight)["margin"][order], of_all_pairs(permuted)["margin"]
    assert np.sqrt(np.mean((expected - found) ** 2)) < 0.02


# --- little to learn from ---------------------------------------------------------------------

WIDE = SETTINGS.model_copy(update={"rank": 12, "sweeps": 8})
NAN = np.nan
LITTLE = {
    "one pair": np.array([[1.0]]),
    "one user": np.array([[1.0, 2.0, 4.0]]),
    "one video": np.array([[1.0], [2.0], [4.0]]),
    "more dimensions than videos": np.random.default_rng(1).normal(size=(30, 4)),
    "all times alike": np.full((20, 30), 2.5),
    "all of a user alike": np.tile(np.arange(20.0)[:, None], 30),
    "a user without a pair": np.array([[1.0, 2.0], [NAN, NAN], [3.0, 5.0]]),
    "one pair a user": np.where(np.eye(9) == 1, np.arange(9.0), NAN),
}


@pytest.mark.parametrize("times", LITTLE.values(), ids=LITTLE)
def test_little_history_makes_a_sane_model(tmp_path, times):
    model = fit(tmp_path, times, settings=WIDE)
    for name in ("user", "user_variance", "video", "video_variance"):
        assert np.isfinite(getattr(model, name)).all(), name
    assert model.user_variance.min() > 0
    assert model.video_variance.min() > 0
    assert model.noise > 0
    said = features(model, [-1, *range(len(times))], range(times.shape[1]))
    for name in columns.WATCH_TIME_FEATURES:
        assert np.isfinite(said[name]).all(), name
    least, most = np.nanmin(times), np.nanmax(times)
    margin = 0.5 * (most - least) + 1e-3
    assert said["margin"].min() > least - margin
    assert said["margin"].max() < most + margin


def test_a_user_without_a_pair_is_the_mean_user(tmp_path, world):
    times = world.history.copy()
    times[3] = NAN
    model = fit(tmp_path, times)
    assert not model.user[3].any()
    said = features(model, [3, -1], np.arange(times.shape[1]))
    np.testing.assert_allclose(said["margin"][0], said["margin"][1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(said["uncertainty"][0], said["uncertainty"][1], rtol=0.05)


def test_a_history_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no watch times to learn from"):
        fit(tmp_path, np.full((2, 2), NAN))


def test_daily_figures_that_are_there_inform_the_prior(tmp_path):
    world = simulate(100, 300, explained=0.95, seed=13)
    watched = np.arange(300) < 220
    daily = np.zeros((300, 5))
    daily[:, 0] = world.fact
    known = np.arange(300) % 4 > 0
    attributes = VideoAttributes(csr_array(np.ones((300, 1))), daily * known[:, None], known)
    model = fit(tmp_path, world.history[:, watched], attributes, video_index=np.flatnonzero(watched))
    level = world.truth.mean(axis=0)
    assert correlation(model.video[~watched & known, 0], level[~watched & known]) > 0.9
    assert np.ptp(model.video[~watched & ~known, 0]) == 0
    assert model.video_variance[~watched & known, 0].max() < model.video_variance[~watched & ~known, 0].min()
