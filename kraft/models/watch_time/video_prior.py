"""What is to be expected of a video from what is known of it beforehand: ridge regressions, their strength fitted.

A video that nobody has watched still has categories, a caption, a length and sometimes the platform's daily
counts. A ridge regression of the fitted factors of all watched videos on these says what its own factors
will be like, and how far off that may be. Its strength is the one with the greatest evidence (MacKay 1992,
doi 10.1162/neco.1992.4.3.415), on a grid, in closed form.

Most facts of a video are 0, so they are kept sparse: some 200 bytes a video, however many columns there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from kraft.engine import frames
from kraft.models.code_columns import CodeColumns, Codes

Matrix = NDArray[np.float64]
Sparse: TypeAlias = "csr_array[np.float64, tuple[int, int]]"

STRENGTHS = np.logspace(-1, 4, 21)
LEAST_VIDEOS = 50
"""Watched videos with daily counts from which a regression on them is fitted."""
DAILY_SHARES = ("daily_complete", "daily_long", "daily_short", "daily_progress")
KNOTS = (0.25, 0.5, 0.75)
"""Quantiles of the length at which its effect may bend: a linear spline."""
CATEGORIES = tuple(f"category_{number}" for number in range(1, 5))
MOST_COLUMNS = 512
"""Columns for categories, and as many for captions. A regression on all of them takes 8 MiB a matrix and a second,
and its time grows with their cube.
"""


@dataclass(frozen=True)
class VideoAttributes:
    """What is known of every video, by video_index."""

    facts: Sparse
    """Shape (n_videos, n_facts): a constant, shares of categories, the caption's first level, a spline of the
    length."""
    daily: Matrix
    """Shape (n_videos, 5): the platform's daily figures, standardized; 0 where there are none."""
    has_daily: NDArray[np.bool_]
    """Shape (n_videos,): whether there are any."""
    sharing: Mapping[str, int] = field(default_factory=dict)
    """Of `categories` and `captions`, how many are so rare that they share one column; none if that is 0."""


def read_attributes(video_details: Path, daily_stats: Path) -> VideoAttributes:
    """The attributes of every video of ``video_details``, with its figures in ``daily_stats``.

    Args:
        video_details: Parquet, one row a video in the order of video_index.
        daily_stats: Parquet, one row a video with daily counts, in any order; there may be none.
    """
    figures = ["daily_log_time", *DAILY_SHARES]
    videos = frames.read_parquet(video_details, columns=["item_id", "log_duration", "caption_level_1", *CATEGORIES])
    daily = frames.read_parquet(daily_stats, columns=["item_id", *figures])
    joined = videos.join(daily, on="item_id", how="left", maintain_order="left")
    categories, rare_categories = _categories(videos)
    captions, rare_captions = _captions(videos)
    parts = [csr_array(np.ones((len(videos), 1))), categories, captions, csr_array(_lengths(videos))]
    has_daily = joined["daily_log_time"].is_not_null().to_numpy()
    sharing = {"categories": rare_categories, "captions": rare_captions}
    return VideoAttributes(
        _beside(parts),
        _daily(joined, figures),
        has_daily,
        {name: rare for name, rare in sharing.items() if rare},
    )


def _categories(videos: pl.DataFrame) -> tuple[Sparse, int]:
    """Shape (n_videos, columns): 1 / categories of the video where it has one; and how many share a column."""
    codes = videos.select(CATEGORIES).fill_null(-1).to_numpy().astype(np.int64)
    members, columns = _members(codes)
    total: Matrix = np.asarray(members.sum(axis=1))
    members.data /= np.repeat(total, np.diff(members.indptr))
    return members, columns.sharing


def _captions(videos: pl.DataFrame) -> tuple[Sparse, int]:
    """Shape (n_videos, columns): 1 where the caption's first level is that one; and how many share a column."""
    members, columns = _members(videos["caption_level_1"].fill_null(-1).to_numpy().astype(np.int64)[:, None])
    return members, columns.sharing


def _members(codes: Codes) -> tuple[Sparse, CodeColumns]:
    """Shape (n_videos, columns): how many of a video's codes have the column.

    Args:
        codes: shape (n_videos, codes a video); -1 if there is none.
    """
    columns = CodeColumns.of(codes, MOST_COLUMNS)
    positions = columns.positions(codes)
    rows, order = np.nonzero(positions >= 0)
    ones = np.ones(len(rows))
    made: Sparse = csr_array((ones, (rows, positions[rows, order])), shape=(len(codes), len(columns)))
    made.sum_duplicates()
    return made, columns


def _beside(parts: Sequence[Sparse]) -> Sparse:
    beside: Sparse = hstack(parts, format="csr")
    return beside


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

    def __init__(self, x: "Matrix | Sparse") -> None:
        gram = x.T @ x
        values, vectors = np.linalg.eigh(gram if isinstance(gram, np.ndarray) else gram.toarray())
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
        self._wide = _beside([attributes.facts, csr_array(attributes.daily)])
        if self._both.sum() >= LEAST_VIDEOS:
            self._full = Ridge(self._wide[self._both])

    def __call__(self, factors: Matrix) -> tuple[Matrix, Matrix]:
        """Prior means and variances, each shape (n_videos, d), for ``factors`` of that shape, in their units.

        By the daily figures too, where a video has them and enough watched ones do.
        """
        coefficients, variance = self._plain.fit(factors[self._watched])
        means: Matrix = np.asarray(self._all.facts @ coefficients)
        variances = np.tile(variance, (len(means), 1))
        if self._full is not None:
            coefficients, variance = self._full.fit(factors[self._both])
            has_daily = self._all.has_daily
            means[has_daily] = np.asarray(self._wide @ coefficients)[has_daily]
            variances[has_daily] = variance
        return means, variances
