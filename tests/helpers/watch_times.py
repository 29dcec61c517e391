"""Watch times as a table, simulated or given, and a ridge regression in the plainest way."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from kraft import columns
from kraft.models.watch_time.log_matrix import TimePages
from kraft.models.watch_time.video_prior import STRENGTHS, VideoAttributes


def write_times(path, times, video_index=None, row_group_size=997):
    """The table `watch_times` of a matrix with a row a user, NaN where a pair never met."""
    users, columns = np.nonzero(~np.isnan(times))
    videos = columns if video_index is None else np.asarray(video_index)[columns]
    table = {
        "user_index": users.astype(np.int32),
        "video_index": videos.astype(np.int32),
        "log_time": times[users, columns].astype(np.float64),
    }
    pl.DataFrame(table).write_parquet(path, row_group_size=row_group_size)
    return path


def write_pages(folder, times, video_index=None):
    folder.mkdir(parents=True, exist_ok=True)
    return TimePages.write(write_times(folder / "watch_times.parquet", times, video_index), folder)


def attributes_of(*facts, n_videos=None):
    """Attributes that are a constant and ``facts``, without daily figures."""
    n = len(facts[0]) if facts else n_videos
    facts = csr_array(np.column_stack([np.ones(n), *facts]))
    return VideoAttributes(facts, np.zeros((n, 5)), np.zeros(n, dtype=bool))


@dataclass
class World:
    """Log times of all pairs as they are meant, as they are watched, and as the history has them."""

    truth: np.ndarray
    watched: np.ndarray
    history: np.ndarray
    fact: np.ndarray


def simulate(n_users, n_videos, *, rank=2, noise=0.4, observed=0.75, explained=0.0, seed=1):
    """A world of levels and tastes; ``fact`` explains that much of the standard deviation of the videos' level."""
    random = np.random.default_rng(seed)
    fact = random.normal(size=n_videos)
    video_level = 0.6 * (explained * fact + np.sqrt(1 - explained**2) * random.normal(size=n_videos))
    user_level = 0.5 * random.normal(size=n_users)
    taste, style = 0.6 * random.normal(size=(n_users, rank)), 0.6 * random.normal(size=(n_videos, rank))
    truth = 2.0 + user_level[:, None] + video_level + taste @ style.T
    watched = truth + noise * random.normal(size=truth.shape)
    met = random.random(truth.shape) < observed
    return World(truth, watched, np.where(met, watched, np.nan), fact)


def ridge_by_hand(x, y):
    """Coefficients, residual variance and strength of one target: every strength tried, every matrix written out."""
    n, p = x.shape
    tried = []
    for strength in STRENGTHS:
        covariance = np.eye(n) + x @ x.T / strength
        noise = y @ np.linalg.solve(covariance, y) / n
        tried.append(-0.5 * n * np.log(noise) - 0.5 * np.linalg.slogdet(covariance)[1])
    strength = STRENGTHS[int(np.argmax(tried))]
    inverse = np.linalg.inv(x.T @ x + strength * np.eye(p))
    coefficients = inverse @ x.T @ y
    freedom = np.trace(x @ inverse @ x.T)
    return coefficients, ((y - x @ coefficients) ** 2).sum() / (n - freedom), strength


def features(model, users, videos, log_duration=0.0):
    """The features by name, of every one of ``users`` with every one of ``videos``."""
    shape = len(users), len(videos)
    user_index, video_index = (grid.ravel().astype(np.int32) for grid in np.meshgrid(users, videos, indexing="ij"))
    table = model.features(user_index, video_index, np.full(len(user_index), log_duration, np.float32))
    return {name: table[:, place].reshape(shape) for place, name in enumerate(columns.WATCH_TIME_FEATURES)}


def of_all_pairs(model):
    return features(model, np.arange(len(model.user)), np.arange(len(model.video)))
