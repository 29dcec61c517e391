"""How long will this user stay with this video: a factorization of the log watch time.

    log time = mean + user's level + video's level + user's taste . video's style + noise

over the pairs that met, with normal priors. In logs of short videos, watch time hardly depends on the
length of the video, so the predicted time against the known length says who will watch to the end. The
posterior is approximated by variational Bayes (Lim and Teh 2007, "Variational Bayesian approach to movie rating
prediction"): each user's and each video's factors have a mean and a covariance, and all variances are estimated,
so that nothing but the rank and the number of sweeps is chosen. The prior of a video is what its attributes
let expect (`video_prior`): one without history is predicted from these.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kraft.engine.progress import Progress
from kraft.errors import InputError
from kraft.models.time_pages import Slab, TimePages
from kraft.models.video_prior import Matrix, VideoAttributes, VideoPrior
from kraft.settings import WatchTimeSettings

Floats = NDArray[np.float32]
Index = NDArray[np.int32]

_ARRAYS = ("user", "user_variance", "video", "video_variance")
_START = 0.1
"""Standard deviation of the first factors [sqrt(log s)], and first prior variances."""
_LEAST = 1e-6
"""No variance is less: where all times are alike, there is nothing to learn and nothing to divide by."""


@dataclass(frozen=True, eq=False)
class WatchTimeModel:
    """The fitted model. Column 0 of each matrix is the level, the others are taste or style."""

    user: Floats
    """Posterior means, shape (n_users, 1 + rank) [log s]."""
    user_variance: Floats
    """Posterior variances, the same shape."""
    video: Floats
    """Shape (n_videos, 1 + rank): posterior means of watched videos, prior means of all others."""
    video_variance: Floats
    """Their variances, the same shape."""
    mean: float
    """Mean log time of all pairs that met [log s]."""
    noise: float
    """Variance of the noise [log s squared]."""

    def features(self, user_index: Index, video_index: Index, log_duration: Floats) -> Floats:
        """What the model says of pairs; no mean of it depends on how the factors happen to be rotated.

        Args:
            user_index: shape (n,); -1 for an unknown user: the mean user, with the users' spread.
            video_index: shape (n,); -1 for an unknown video: NaN.
            log_duration: shape (n,), lengths of the videos [log s]; NaN where unknown.

        Returns:
            float32, shape (n, 8), the columns of `columns.WATCH_TIME_FEATURES`: the user's level, the video's level,
            taste . style [all log s]; predicted log time less log length, in full, without the user's part, without
            the video's part [log s]; the first of these in predictive standard deviations; that deviation [log s],
            which leaves out how the errors of a user's or video's factors hang together.

        Raises:
            IndexError: an index is beyond the model's users or videos.
        """
        known = user_index >= 0
        u = np.where(known[:, None], self.user[user_index], 0)
        users_spread = (self.user**2 + self.user_variance).mean(axis=0)
        u_variance = np.where(known[:, None], self.user_variance[user_index], users_spread)
        i, i_variance = self.video[video_index], self.video_variance[video_index]
        taste = np.einsum("ij,ij->i", u[:, 1:], i[:, 1:])
        variance = (
            self.noise
            + u_variance[:, 0]
            + i_variance[:, 0]
            + np.einsum("ij,ij->i", u[:, 1:] ** 2 + u_variance[:, 1:], i_variance[:, 1:])
            + np.einsum("ij,ij->i", u_variance[:, 1:], i[:, 1:] ** 2)
        )
        spread = np.sqrt(variance)
        beyond = self.mean - log_duration
        margin = beyond + u[:, 0] + i[:, 0] + taste
        table = np.stack(
            [u[:, 0], i[:, 0], taste, margin, beyond + i[:, 0], beyond + u[:, 0], margin / spread, spread], axis=1
        )
        table[video_index < 0] = np.nan
        narrow: Floats = table.astype(np.float32)
        return narrow

    def save(self, folder: Path) -> None:
        """Write the matrices as .npy and the rest as watch_time.json into ``folder``, which exists."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        facts = {"mean": self.mean, "noise": self.noise}
        (folder / "watch_time.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote.

        Raises:
            InputError: a file is missing, damaged, or does not belong to the others.
        """
        try:
            facts = json.loads((folder / "watch_time.json").read_text(encoding="utf-8"))
            arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
            for name, matrix in arrays.items():
                shape = (len(arrays[name.removesuffix("_variance")]), *arrays["user"].shape[1:])
                if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape != shape:  # noqa: PLR2004
                    raise ValueError(f"{name}.npy is not a float32 matrix like the others")  # noqa: TRY301
            return cls(**arrays, mean=float(facts["mean"]), noise=float(facts["noise"]))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as reason:
            raise InputError(
                f"{folder}: not a whole watch time model ({reason})", "Fit it again with python -m jobs.train --force."
            ) from reason


class _Side(NamedTuple):
    """Posterior of one side: means (n, d), covariances (n, d, d)."""

    means: Matrix
    covariances: Matrix

    @property
    def variances(self) -> Matrix:
        diagonal: Matrix = np.einsum("nii->ni", self.covariances)
        return diagonal


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
    """Fit the model.

    Args:
        by_user: log watch times, a row a user.
        by_video: the same, a row a watched video.
        columns: video_index of each of these, ascending.
        attributes: of every video.
        settings: rank, sweeps, seed.
        threads: slabs solved side by side; changes the time only.
        progress: one unit a sweep.

    Raises:
        InputError: no pair ever met.

    Memory: 8 (1 + rank)^2 bytes a user and watched video, and one slab a thread.
    """
    if not by_user.cells:
        raise InputError(
            "There are no watch times to learn from",
            "The train period needs interactions of videos that are not held out; give a larger log.",
        )
    rank = settings.rank
    n_videos = len(attributes.facts)
    watched = np.zeros(n_videos, dtype=bool)
    watched[columns] = True
    prior_of = VideoPrior(attributes, watched)
    random = np.random.default_rng(settings.seed)
    video = np.zeros((n_videos, rank + 1))
    users = _fresh(by_user.n_rows, rank, random)
    videos = _fresh(by_video.n_rows, rank, random)
    video[columns] = videos.means
    prior_means, prior_variances = np.zeros_like(video), np.full_like(video, _START)
    user_scale, video_scale = np.full(rank + 1, _START), np.full(rank + 1, _START)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        noise = max(_squared_residuals(by_user, None, None, pool.map) / by_user.cells, _LEAST)
        no_prior = np.zeros((by_user.n_rows, rank + 1))
        with progress.task("watch times", settings.sweeps, "sweeps") as task:
            for sweep in range(settings.sweeps):
                users, user_freedom = _solve(by_user, videos, no_prior, user_scale, noise, pool.map)
                user_scale = np.maximum((users.means**2 + users.variances).mean(axis=0), _LEAST)
                expected = prior_means[columns]
                videos, video_freedom = _solve(by_video, users, expected, video_scale, noise, pool.map)
                video[columns] = videos.means
                # The first sweep's factors are still those of chance.
                if sweep:
                    prior_means, prior_variances = prior_of(video)
                off = videos.means - prior_means[columns]
                video_scale = np.maximum((off**2 + videos.variances).mean(axis=0), _LEAST)
                squares = _squared_residuals(by_user, users, videos, pool.map)
                noise = max(squares / max(by_user.cells - user_freedom - video_freedom, 1.0), _LEAST)
                scale = _balance(user_scale, video_scale, prior_means[columns])
                users, videos = _scaled(users, scale), _scaled(videos, 1 / scale)
                video /= scale
                prior_means, prior_variances = prior_means / scale, prior_variances / scale**2
                user_scale, video_scale = user_scale * scale**2, video_scale / scale**2
                task.note(f"noise {noise:.4f}")
                task.advance()
    means, variances = prior_means, prior_variances
    means[columns], variances[columns] = videos.means, videos.variances
    return WatchTimeModel(
        users.means.astype(np.float32),
        users.variances.astype(np.float32),
        means.astype(np.float32),
        variances.astype(np.float32),
        mean=by_user.mean,
        noise=noise,
    )


Mapper = Callable[..., Iterator[Any]]
"""`map`, in order, of a pool of threads."""


def _fresh(n: int, rank: int, random: np.random.Generator) -> _Side:
    means = np.zeros((n, rank + 1))
    means[:, 1:] = random.standard_normal((n, rank)) * _START
    return _Side(means, np.zeros((n, rank + 1, rank + 1)))


def _solve(
    pages: TimePages, other: _Side, prior: Matrix, scale: Matrix, noise: float, run: Mapper
) -> tuple[_Side, float]:
    """The posterior of one side given the other's; and the degrees of freedom that it takes."""
    d = other.means.shape[1]
    upper = np.triu_indices(d)
    # Against the other's expected design: (1, style), whose level is taken off the target instead.
    design = other.means.copy()
    design[:, 0] = 1.0
    spread = other.covariances.copy()
    spread[:, 0, :] = spread[:, :, 0] = 0.0
    products = (design[:, upper[0]] * design[:, upper[1]] + spread[:, upper[0], upper[1]]).astype(np.float32)
    leaning = other.covariances[:, 0, :].copy()
    leaning[:, 0] = 0.0
    taken = (other.means[:, :1] * design + leaning).astype(np.float32)
    narrow = design.astype(np.float32)

    def solve(cut: tuple[int, int]) -> tuple[Matrix, Matrix, float]:
        slab: Slab = pages.read(*cut)
        gram = np.empty((len(slab.seen), d, d))
        gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = slab.seen @ products
        target = (slab.times @ narrow - slab.seen @ taken).astype(np.float64)
        precision = gram / noise
        precision[:, range(d), range(d)] += 1 / scale
        covariance: Matrix = np.linalg.inv(precision).astype(np.float64, copy=False)
        pull = target / noise + prior[cut[0] : cut[1]] / scale
        freedom = float(np.einsum("nij,nji->", covariance, gram)) / noise
        return np.einsum("nij,nj->ni", covariance, pull), covariance, freedom

    parts = list(run(solve, pages.slabs()))
    side = _Side(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
    return side, sum(part[2] for part in parts)


def _squared_residuals(pages: TimePages, users: _Side | None, videos: _Side | None, run: Mapper) -> float:
    """Sum over all pairs that met; of the times themselves where there is no model yet."""

    def squares(cut: tuple[int, int]) -> float:
        slab = pages.read(*cut)
        off = slab.times
        if users and videos:
            mine, theirs = users.means[cut[0] : cut[1]].astype(np.float32), videos.means.astype(np.float32)
            off = off - (mine[:, 1:] @ theirs[:, 1:].T + mine[:, :1] + theirs[:, 0]) * slab.seen
        return float(np.einsum("ij,ij->", off, off, dtype=np.float64))

    return float(sum(run(squares, pages.slabs())))


def _balance(user_scale: Matrix, video_scale: Matrix, prior_means: Matrix) -> Matrix:
    """What to multiply the users' taste with, and divide the videos' style by, so that both spread alike."""
    scale = np.ones_like(user_scale)
    style = video_scale[1:] + (prior_means[:, 1:] ** 2).mean(axis=0)
    scale[1:] = (style / user_scale[1:]) ** 0.25
    return scale


def _scaled(side: _Side, scale: Matrix) -> _Side:
    return _Side(side.means * scale, side.covariances * scale[:, None] * scale)
