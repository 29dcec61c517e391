"""What is to be expected of a video from what is known of it beforehand: ridge regressions, their strength fitted.

A video that nobody has watched still has categories, a caption, a length and sometimes the platform's daily
counts. A ridge regression of the fitted factors of all watched videos on these says what its own factors
will be like, and how far off that may be. Its strength is the one with the greatest evidence (MacKay 1992,
doi 10.1162/neco.1992.4.3.415), on a grid, in closed form.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kraft.engine import frames

Matrix = NDArray[np.float64]

STRENGTHS = np.logspace(-1, 4, 21)
LEAST_VIDEOS = 50
"""Watched videos with daily counts from which a regression on them is fitted."""
DAILY_SHARES = ("daily_complete", "daily_long", "daily_short", "daily_progress")
KNOTS = (0.25, 0.5, 0.75)
"""Quantiles of the length at which its effect may bend: a linear spline."""
CATEGORIES = tuple(f"category_{place}" for place in range(1, 5))


@dataclass(frozen=True)
class VideoAttributes:
    """What is known of every video, by video_index."""

    facts: Matrix
    """Shape (n_videos, n_facts): a constant, shares of categories, the caption's first level, a spline of the
    length."""
    daily: Matrix
    """Shape (n_videos, 5): the platform's daily figures, standardized; 0 where there are none."""
    has_daily: NDArray[np.bool_]
    """Shape (n_videos,): whether there are any."""


def read_attributes(video_details: Path, daily_totals: Path) -> VideoAttributes:
    """The attributes of every video of ``video_details``, with its figures in ``daily_totals``.

    Args:
        video_details: Parquet, one row a video in the order of video_index.
        daily_totals: Parquet, one row a video with daily counts, in any order; there may be none.
    """
    figures = ["daily_log_time", *DAILY_SHARES]
    videos = frames.read_parquet(video_details, columns=["item_id", "log_duration", "caption_level_1", *CATEGORIES])
    daily = frames.read_parquet(daily_totals, columns=["item_id", *figures])
    joined = videos.join(daily, on="item_id", how="left", maintain_order="left")
    parts = [np.ones((len(videos), 1)), _categories(videos), _captions(videos), _lengths(videos)]
    has_daily = joined["daily_log_time"].is_not_null().to_numpy()
    return VideoAttributes(np.concatenate(parts, axis=1), _daily(joined, figures), has_daily)


def _categories(videos: pl.DataFrame) -> Matrix:
    """Shape (n_videos, greatest category + 1): 1 / categories of the video where it has one."""
    numbers = videos.select(CATEGORIES).fill_null(-1).to_numpy().astype(np.int64)
    shares = np.zeros((len(numbers), int(numbers.max(initial=-1)) + 2))
    for place in range(numbers.shape[1]):
        shares[np.arange(len(numbers)), numbers[:, place]] += 1.0
    # The last column took what is missing: index -1.
    shares = shares[:, :-1]
    total = shares.sum(axis=1, keepdims=True)
    weights: Matrix = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    return weights


def _captions(videos: pl.DataFrame) -> Matrix:
    """Shape (n_videos, first-level categories): 1 where the caption is of that one."""
    known = videos["caption_level_1"].drop_nulls().unique().sort().to_numpy()
    levels = videos["caption_level_1"].fill_null(-1).to_numpy()
    member: Matrix = (levels[:, None] == known[None, :]).astype(np.float64)
    return member


def _lengths(videos: pl.DataFrame) -> Matrix:
    """Shape (n_videos, 4): log length, and how far it is beyond each knot; 0 where unknown."""
    lengths = videos["log_duration"].to_numpy().astype(np.float64)
    known = lengths[np.isfinite(lengths)]
    if not len(known):
        return np.zeros((len(lengths), 1 + len(KNOTS)))
    knots = np.quantile(known, KNOTS)
    centred = np.nan_to_num(lengths - np.median(known), nan=0.0)
    beyond = np.nan_to_num(np.maximum(lengths[:, None] - knots, 0.0), nan=0.0)
    return np.concatenate([centred[:, None], beyond], axis=1)


def _daily(joined: pl.DataFrame, figures: list[str]) -> Matrix:
    """Shape (n_videos, 5): the log time and the logits of the shares, standardized; 0 where missing."""
    values = joined.select(figures).to_numpy().astype(np.float64)
    shares = np.clip(values[:, 1:], 1e-3, 1 - 1e-3)
    values[:, 1:] = np.log(shares / (1 - shares))
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / count
    centred = np.where(known, values - mean, 0.0)
    spread: Matrix = centred / np.maximum(np.sqrt((centred**2).sum(axis=0) / count), 1e-9)
    return spread


class Ridge:
    """Ridge regression of every column of a target on the same ``x``, each with the strength of greatest evidence.

    Args:
        x: shape (n, p).
    """

    def __init__(self, x: Matrix) -> None:
        values, vectors = np.linalg.eigh(x.T @ x)
        kept = values > 1e-9 * values[-1]
        self._values, self._vectors, self._x = values[kept], vectors[:, kept], x

    def fit(self, target: Matrix) -> tuple[Matrix, Matrix]:
        """Coefficients, shape (p, d), and residual variances, shape (d,), for a target of shape (n, d)."""
        n = len(target)
        turned = self._vectors.T @ (self._x.T @ target)
        damped = self._values[:, None] + STRENGTHS
        noise = np.maximum((target**2).sum(axis=0)[:, None] - (turned.T**2) @ (1 / damped), 1e-12) / n
        evidence = -0.5 * n * np.log(noise) - 0.5 * np.log1p(self._values[:, None] / STRENGTHS).sum(axis=0)
        best = evidence.argmax(axis=1)
        coefficients = self._vectors @ (turned / damped[:, best])
        freedom = (self._values[:, None] / damped[:, best]).sum(axis=0)
        residuals = target - self._x @ coefficients
        return coefficients, (residuals**2).sum(axis=0) / np.maximum(n - freedom, 1.0)


class VideoPrior:
    """Prior means and variances of the factors of all videos, learned from those of the watched ones.

    Args:
        attributes: of every video.
        watched: bool, shape (n_videos,): whose factors are fitted.
    """

    def __init__(self, attributes: VideoAttributes, watched: NDArray[np.bool_]) -> None:
        self._all, self._watched = attributes, watched
        self._plain = Ridge(attributes.facts[watched])
        self._both = watched & attributes.has_daily
        self._full: Ridge | None = None
        self._wide = np.concatenate([attributes.facts, attributes.daily], axis=1)
        if self._both.sum() >= LEAST_VIDEOS:
            self._full = Ridge(self._wide[self._both])

    def __call__(self, factors: Matrix) -> tuple[Matrix, Matrix]:
        """Prior means and variances, each shape (n_videos, d), for ``factors`` of that shape, in their units.

        By the daily figures too, where a video has them and enough watched ones do.
        """
        coefficients, variance = self._plain.fit(factors[self._watched])
        means = self._all.facts @ coefficients
        variances = np.tile(variance, (len(means), 1))
        if self._full is not None:
            coefficients, variance = self._full.fit(factors[self._both])
            has_daily = self._all.has_daily
            means[has_daily] = self._wide[has_daily] @ coefficients
            variances[has_daily] = variance
        return means, variances
