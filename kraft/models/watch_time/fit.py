"""How long will this user stay with this video: a factorization of the log watch time.

    log time = mean + user's level + video's level + user's taste . video's style + noise

over the pairs that met, with normal priors. In logs of short videos, watch time hardly depends on the
length of the video, so the predicted time against the known length says who will watch to the end. The
posterior is approximated by variational Bayes (Lim and Teh 2007, "Variational Bayesian approach to movie rating
prediction"): each user's and each video's factors have a mean and a covariance, and all variances are estimated,
so that nothing but the rank and the number of sweeps is chosen. The prior of a video is what its attributes
let expect (`video_prior`): one without history is predicted from these.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.models.watch_time.log_matrix import Block, Floats, TimePages
from kraft.models.watch_time.model import Index, WatchTimeModel
from kraft.models.watch_time.video_prior import Matrix, VideoAttributes, VideoPrior
from kraft.settings import WatchTimeSettings

_START = 0.1
"""Standard deviation of the first factors [sqrt(log s)], and first prior variances."""
_LEAST = 1e-6
"""No variance is less: where all times are alike, there is nothing to learn and nothing to divide by."""


AT_ONCE = 1024
"""Rows of one side whose products are held as float64. Results do not depend on it."""


class _Side(NamedTuple):
    """Posterior of one side."""

    means: Matrix
    """Shape (n, d)."""
    covariances: Floats
    """float32, shape (n, d (d + 1) / 2): the upper triangles, row by row (`numpy.triu_indices`). A quarter of what
    whole ones take as float64: with many users they are all that grows."""

    @property
    def variances(self) -> Matrix:
        rows, columns = np.triu_indices(self.means.shape[1])
        return self.covariances[:, rows == columns].astype(np.float64)


def fit(
    by_user: TimePages,
    by_video: TimePages,
    columns: Index,
    attributes: VideoAttributes,
    settings: WatchTimeSettings,
    *,
    threads: int,
    progress: Progress,
) -> WatchTimeModel:
    """Fit the model. With d = 1 + rank it takes 4 d (d + 11) bytes a user and watched video, and one block a thread.

    Args:
        by_user: log watch times, a row a user.
        by_video: the same, a row a watched video.
        columns: video_index of each of these, ascending.
        attributes: of every video.
        settings: rank, sweeps, seed.
        threads: blocks solved at the same time; they change the time only.
        progress: one unit a sweep.

    Raises:
        InputError: there is no pair.
    """
    _check_not_empty(by_user)
    rank, n_videos = settings.rank, len(attributes.has_daily)
    prior_of = VideoPrior(attributes, np.isin(np.arange(n_videos), columns))
    random = np.random.default_rng(settings.seed)
    video = np.zeros((n_videos, rank + 1))
    users, videos = _fresh(by_user.n_rows, rank, random), _fresh(by_video.n_rows, rank, random)
    video[columns] = videos.means
    prior_means, prior_variances = np.zeros_like(video), np.full_like(video, _START)
    user_scale, video_scale = np.full(rank + 1, _START), np.full(rank + 1, _START)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        noise = max(_squared_residuals(by_user, None, None, pool.map) / by_user.cells, _LEAST)
        no_prior = np.broadcast_to(0.0, (by_user.n_rows, rank + 1))
        with progress.task("watch times", settings.sweeps, "sweeps") as task:
            for sweep in range(settings.sweeps):
                user_freedom = _solve(by_user, users, videos, no_prior, user_scale, noise, pool.map)
                user_scale = np.maximum((users.means**2 + users.variances).mean(axis=0), _LEAST)
                video_freedom = _solve(by_video, videos, users, prior_means[columns], video_scale, noise, pool.map)
                video[columns] = videos.means
                if sweep:  # The first sweep starts from random factors.
                    prior_means, prior_variances = prior_of(video)
                off = videos.means - prior_means[columns]
                video_scale = np.maximum((off**2 + videos.variances).mean(axis=0), _LEAST)
                squares = _squared_residuals(by_user, users, videos, pool.map)
                noise = max(squares / max(by_user.cells - user_freedom - video_freedom, 1.0), _LEAST)
                scale = _balance(user_scale, video_scale, prior_means[columns])
                _scale(users, scale)
                _scale(videos, 1 / scale)
                video /= scale
                prior_means, prior_variances = prior_means / scale, prior_variances / scale**2
                user_scale, video_scale = user_scale * scale**2, video_scale / scale**2
                task.note(f"noise {noise:.4f}")
                task.advance()
    # A video that was not watched has its prior.
    prior_means[columns], prior_variances[columns] = videos.means, videos.variances
    factors = [part.astype(np.float32) for part in (users.means, users.variances, prior_means, prior_variances)]
    return WatchTimeModel(factors[0], factors[1], factors[2], factors[3], mean=by_user.mean, noise=noise)


def _check_not_empty(by_user: TimePages) -> None:
    if not by_user.cells:
        raise InputError(
            "There are no watch times to learn from",
            "The train period needs interactions of videos that are not held out; give a larger log.",
        )


Mapper = Callable[..., Iterator[Any]]
"""`map`, in order, of a pool of threads."""


def _fresh(n: int, rank: int, random: np.random.Generator) -> _Side:
    means = np.zeros((n, rank + 1))
    means[:, 1:] = random.standard_normal((n, rank)) * _START
    return _Side(means, np.zeros((n, (rank + 1) * (rank + 2) // 2), dtype=np.float32))


class _Design(NamedTuple):
    """What the other side contributes to the equations of this one, a row for each of its own; float32."""

    expected: Floats
    """Shape (n, d): 1 and the style, whose level is taken off the target instead."""
    products: Floats
    """Shape (n, d (d + 1) / 2): upper triangles of the expected outer products of these rows."""
    taken: Floats
    """Shape (n, d): the expected products of the level and these rows."""


def _design_of(side: _Side) -> _Design:
    n, d = side.means.shape
    rows, columns = np.triu_indices(d)
    made = _Design(*(np.empty((n, width), dtype=np.float32) for width in (d, len(rows), d)))
    for first in range(0, n, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        means, covariances = side.means[part], side.covariances[part].astype(np.float64)
        expected = means.copy()
        expected[:, 0] = 1.0
        # The first row of the triangle is the level's: it belongs to the target.
        leaning = covariances[:, :d].copy()
        leaning[:, 0] = 0.0
        covariances[:, :d] = 0.0
        made.expected[part] = expected
        made.products[part] = expected[:, rows] * expected[:, columns] + covariances
        made.taken[part] = means[:, :1] * expected + leaning
    return made


def _solve(
    pages: TimePages, side: _Side, other: _Side, prior: Matrix, scale: Matrix, noise: float, run: Mapper
) -> float:
    """Replace ``side`` by its posterior given the other's; returns the degrees of freedom that it takes."""
    d = other.means.shape[1]
    upper = np.triu_indices(d)
    expected, products, taken = _design_of(other)

    def solve(cut: tuple[int, int]) -> float:
        block: Block = pages.read(*cut)
        gram = np.empty((len(block.seen), d, d))
        gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = block.seen @ products
        target = (block.times @ expected - block.seen @ taken).astype(np.float64)
        precision = gram / noise
        precision[:, range(d), range(d)] += 1 / scale
        covariance: Matrix = np.linalg.inv(precision).astype(np.float64, copy=False)
        pull = target / noise + prior[cut[0] : cut[1]] / scale
        side.means[cut[0] : cut[1]] = np.einsum("nij,nj->ni", covariance, pull)
        side.covariances[cut[0] : cut[1]] = covariance[:, upper[0], upper[1]]
        return float(np.einsum("nij,nji->", covariance, gram)) / noise

    return sum(run(solve, pages.blocks()))


def _squared_residuals(pages: TimePages, users: _Side | None, videos: _Side | None, run: Mapper) -> float:
    """Sum over all pairs that met; of the times themselves where there is no model yet."""

    def squares(cut: tuple[int, int]) -> float:
        block = pages.read(*cut)
        off = block.times
        if users and videos:
            mine, theirs = users.means[cut[0] : cut[1]].astype(np.float32), videos.means.astype(np.float32)
            off = off - (mine[:, 1:] @ theirs[:, 1:].T + mine[:, :1] + theirs[:, 0]) * block.seen
        return float(np.einsum("ij,ij->", off, off, dtype=np.float64))

    return float(sum(run(squares, pages.blocks())))


def _balance(user_scale: Matrix, video_scale: Matrix, prior_means: Matrix) -> Matrix:
    """What to multiply the users' taste with, and divide the videos' style by, so that both spread alike."""
    scale = np.ones_like(user_scale)
    style = video_scale[1:] + (prior_means[:, 1:] ** 2).mean(axis=0)
    scale[1:] = (style / user_scale[1:]) ** 0.25
    return scale


def _scale(side: _Side, scale: Matrix) -> None:
    """Stretch each factor of a side, in place."""
    rows, columns = np.triu_indices(len(scale))
    side.means[:] *= scale
    side.covariances[:] *= (scale[rows] * scale[columns]).astype(np.float32)
