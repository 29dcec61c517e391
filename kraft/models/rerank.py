"""Re-ranking for variety: maximal marginal relevance over categories and authors.

Carbonell and Goldstein 1998, doi 10.1145/290941.291025: the next video of a list is the one with the greatest
(1 - diversity) x relevance - diversity x (similarity to the most similar video that is already in the list).
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

POOL_FACTOR, LEAST_POOL = 10, 100
"""A list of K videos is chosen from the best POOL_FACTOR x K of the user's, or LEAST_POOL where that is more."""
UNKNOWN = -1
_USERS_AT_ONCE = 512
"""Some 10 MB of temporaries at a pool of 100."""

Positions = NDArray[np.int64]
Scores = NDArray[np.float64]


def pool_size(top: int) -> int:
    """How many of a user's best videos a list of ``top`` is chosen from."""
    return max(POOL_FACTOR * top, LEAST_POOL)


class Content(NamedTuple):
    """What tells videos alike: one row a video."""

    categories: NDArray[np.int64]
    """Shape (n_videos, n_categories): numbers of its categories, each once; then `UNKNOWN`."""
    author: NDArray[np.int64]
    """Shape (n_videos,); `UNKNOWN` if nobody is known."""

    def of(self, videos: Positions) -> Self:
        """The rows of ``videos``, an array of any shape."""
        return type(self)(self.categories[videos], self.author[videos])

    def similarity(self, other: "Content") -> NDArray[np.float64]:
        """The mean of the Jaccard similarity of the categories and of being by the same author: 0 to 1.

        Shapes are broadcast; what is not known of a video is like nothing.
        """
        mine, theirs = self.categories[..., :, None], other.categories[..., None, :]
        shared = ((mine == theirs) & (mine != UNKNOWN)).sum(axis=(-2, -1))
        either = (self.categories != UNKNOWN).sum(axis=-1) + (other.categories != UNKNOWN).sum(axis=-1) - shared
        jaccard = shared / np.maximum(either, 1)
        same_author = (self.author == other.author) & (self.author != UNKNOWN)
        return np.asarray((jaccard + same_author) / 2)


def rerank(videos: Positions, scores: Scores, content: Content, top: int, diversity: float) -> Positions:
    """Choose ``top`` of each user's videos, one after the other.

    Args:
        videos: shape (n_users, n_pool): rows of ``content``, the user's best first; `UNKNOWN` fills up a short row.
        scores: the same shape: what the ranker gave them, descending along a row. Only their distances within a row
            matter: they are scaled to 0 to 1 for each user.
        content: of all videos.
        top: how many to choose.
        diversity: 0 (the order of the scores) to 1 (the least similar next, whatever its score).

    Returns:
        Shape (n_users, min(top, n_pool)): columns of ``videos`` in the order of the list; `UNKNOWN` if a user has
        no more. Ties go to the better scored.
    """
    top = min(top, videos.shape[1])
    parts = [slice(first, first + _USERS_AT_ONCE) for first in range(0, len(videos), _USERS_AT_ONCE)]
    chosen = [_rerank(videos[part], scores[part], content, top, diversity) for part in parts]
    return np.concatenate(chosen) if chosen else np.empty((0, top), np.int64)


def _rerank(videos: Positions, scores: Scores, content: Content, top: int, diversity: float) -> Positions:
    there = videos != UNKNOWN
    known = np.where(there, scores, np.nan)
    with np.errstate(invalid="ignore"):
        lowest = np.fmin.reduce(known, axis=1, keepdims=True)
        spread = np.fmax.reduce(known, axis=1, keepdims=True) - lowest
        relevance = np.where(spread > 0, (known - lowest) / np.where(spread > 0, spread, 1), 1.0)
    pool = content.of(videos)
    nearest = np.zeros(videos.shape)
    left = there.copy()
    users = np.arange(len(videos))
    chosen = np.full((len(videos), top), UNKNOWN)
    for rank in range(top):
        value = np.where(left, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        best = value.argmax(axis=1)
        found = left[users, best]
        chosen[found, rank] = best[found]
        left[users, best] = False
        taken = content.of(videos[users, best][:, None])
        nearest = np.maximum(nearest, pool.similarity(taken))
    return chosen
