"""Six ways to order the catalogue for a user.

    watch_time  who will watch longest for the video's length (only where there is a watch time model)
    als         product of the ALS factors
    popular     smoothed positive rate
    categories  popular in the categories that the user liked
    similar     close to what the user liked last
    new         videos without a history, by what their groups let expect

Each retrieves a list of positions for a user, best first, without what is excluded. For users without a history only
popular and new know anything.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kraft.models.als.factors import Factors, gather_factors
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.top import NOBODY, FloatMatrix, Positions, best, multiply
from kraft.models.candidates.user_rows import Index, Rows
from kraft.models.code_columns import CodeColumns
from kraft.models.watch_time.model import WatchTimeModel

MOST_CATEGORIES = 128
"""Columns of the matrix of the videos' categories, 4 bytes a video and column: twice what ALS takes."""


@dataclass(frozen=True)
class Block:
    """Users that are served at once."""

    users: Index
    """user_index of each, ascending but for -1: a user without a history."""
    height: int
    """Rows of the block's products: `top.block_rows` of the catalogue."""
    excluded: Rows
    """Positions that a user must not get; one value column."""
    recent: Rows
    """`recent_positives`: rank, item_index."""
    tastes: Rows
    """`user_categories`: category, weight."""

    def __len__(self) -> int:
        return len(self.users)

    @property
    def slots(self) -> NDArray[np.int64]:
        """The row of each user in products: always the same for the same user (`top`)."""
        return self.users.astype(np.int64) % self.height


class Source(Protocol):
    """Retrieves a list for each user of a block."""

    def retrieve(self, block: Block, depth: int, buffer: NDArray[np.float32]) -> Positions:
        """Positions, shape (users, depth), best first; `NOBODY` beyond a list's end. ``buffer`` is for scores."""


class _Matrix:
    """A source whose scores are a matrix product.

    Args:
        videos: float32, shape (retrieved videos, d).
        positions: shape (retrieved videos,), ascending.
        n_videos: size of the catalogue.
    """

    above = -np.inf
    """Only videos with higher scores are retrieved."""

    def __init__(self, videos: FloatMatrix, positions: NDArray[np.int64], n_videos: int) -> None:
        self._videos = np.ascontiguousarray(videos, dtype=np.float32)
        # One more, for the position -1.
        self._positions = np.append(positions, NOBODY).astype(np.int32)
        self._column = np.full(n_videos, -1, dtype=np.int32)
        self._column[positions] = np.arange(len(positions))

    def queries(self, block: Block) -> FloatMatrix:
        """Float32, shape (users, d); a row of zeros if nothing is known of the user."""
        raise NotImplementedError

    def retrieve(self, block: Block, depth: int, buffer: NDArray[np.float32]) -> Positions:
        retrieved = np.full((len(block), depth), NOBODY, dtype=np.int32)
        queries = self.queries(block)
        known = queries.any(axis=1)
        if not known.any() or not len(self._videos):
            return retrieved
        scores = multiply(queries[known], self._videos, block.slots[known], block.height, buffer)
        if self.above > -np.inf:
            scores[scores <= self.above] = -np.inf
        row = np.where(known, np.cumsum(known) - 1, -1)
        rows, positions = row[block.excluded.users], self._column[block.excluded.values[0]]
        excluded = (rows >= 0) & (positions >= 0)
        scores[rows[excluded], positions[excluded]] = -np.inf
        retrieved[known] = self._positions[best(scores, depth)]
        return retrieved


class WatchTime(_Matrix):
    """Predicted log watch time less log length; videos of unknown length are not retrieved.

    The user's own level and the mean are left out: they move all videos of a user alike.
    """

    def __init__(self, model: WatchTimeModel, catalogue: Catalogue) -> None:
        retrieved = np.flatnonzero(~np.isnan(catalogue.log_duration) & (catalogue.video_index >= 0))
        videos = model.video[catalogue.video_index[retrieved]]
        videos[:, 0] -= catalogue.log_duration[retrieved].astype(np.float32)
        super().__init__(videos, retrieved, len(catalogue))
        self._users = model.user

    def queries(self, block: Block) -> FloatMatrix:
        queries = gather_factors(self._users, block.users)
        queries[:, 0] = block.users >= 0
        return queries


class Als(_Matrix):
    """What implicit ALS predicts, of the videos in train."""

    def __init__(self, factors: Factors, catalogue: Catalogue) -> None:
        retrieved = np.flatnonzero(catalogue.item_index >= 0)
        super().__init__(gather_factors(factors.item, catalogue.item_index[retrieved]), retrieved, len(catalogue))
        self._users = factors.user

    def queries(self, block: Block) -> FloatMatrix:
        return gather_factors(self._users, block.users)


class Similar(_Matrix):
    """Cosine of a video's ALS factors with the sum of those of the user's recent positives, each of length 1.

    The k-th newest counts 1 / sqrt(k). Videos whose factors are zeros are not retrieved: they have no direction.
    """

    def __init__(self, factors: Factors, catalogue: Catalogue) -> None:
        lengths = np.linalg.norm(factors.item, axis=1, keepdims=True)
        self._units = np.divide(factors.item, lengths, out=np.zeros_like(factors.item), where=lengths > 0)
        # The last is what the index -1 finds.
        directed = np.append(lengths[:, 0] > 0, False)
        retrieved = np.flatnonzero(directed[catalogue.item_index])
        super().__init__(self._units[catalogue.item_index[retrieved]], retrieved, len(catalogue))

    def queries(self, block: Block) -> FloatMatrix:
        queries = np.zeros((len(block), self._units.shape[1]), dtype=np.float32)
        users, (rank, item) = block.recent
        if len(users):
            weights = (1 / np.sqrt(rank)).astype(np.float32)
            starts = np.flatnonzero(np.diff(users, prepend=-1))
            queries[users[starts]] = np.add.reduceat(gather_factors(self._units, item) * weights[:, None], starts)
        return queries


class Categories(_Matrix):
    """Sum over the user's categories of their weights and the rates of the videos in them.

    A video without a history counts with its expected rate; one outside the user's categories is not retrieved. Where
    more than `MOST_CATEGORIES` occur, the rarest are one category.
    """

    above = 0.0

    def __init__(self, catalogue: Catalogue) -> None:
        rates = np.where(np.isnan(catalogue.rate), catalogue.expected_rate, catalogue.rate).astype(np.float32)
        known = catalogue.categories >= 0
        self._categories = CodeColumns.of(catalogue.categories, MOST_CATEGORIES)
        videos = np.zeros((len(catalogue), len(self._categories)), dtype=np.float32)
        rows, _ = np.nonzero(known)
        videos[rows, self._categories.positions(catalogue.categories[known])] = rates[rows]
        super().__init__(videos, np.arange(len(catalogue)), len(catalogue))

    def queries(self, block: Block) -> FloatMatrix:
        queries = np.zeros((len(block), len(self._categories)), dtype=np.float32)
        users, (category, weight) = block.tastes
        positions = self._categories.positions(category)
        known = positions >= 0
        # Added up: the rarest categories share a column.
        np.add.at(queries, (users[known], positions[known]), weight[known].astype(np.float32))
        return queries


class Ranked:
    """A source with one order for all users.

    Args:
        order: positions, best first.
        n_videos: size of the catalogue.
    """

    def __init__(self, order: NDArray[np.int64], n_videos: int) -> None:
        self._order = order.astype(np.int32)
        self._place = np.full(n_videos, len(order), dtype=np.int32)
        self._place[order] = np.arange(len(order))

    def retrieve(self, block: Block, depth: int, buffer: NDArray[np.float32]) -> Positions:  # noqa: ARG002 - as all
        """The first ``depth`` of the order that a user may get.

        Only a prefix of the order is looked at, and a longer one for the users that it leaves short.
        """
        retrieved = np.full((len(block), depth), NOBODY, dtype=np.int32)
        rows, excluded = block.excluded.users, self._place[block.excluded.values[0]]
        asked = np.arange(len(block))
        prefix = 0
        while len(asked) and prefix < len(self._order):
            prefix = min(max(2 * depth, 4 * prefix), len(self._order))
            row = np.full(len(block), -1)
            row[asked] = np.arange(len(asked))
            within = (excluded < prefix) & (row[rows] >= 0)
            allowed = np.ones((len(asked), prefix), dtype=np.bool_)
            allowed[row[rows[within]], excluded[within]] = False
            users, positions = np.nonzero(allowed)
            ranks = np.arange(len(users)) - np.searchsorted(users, np.arange(len(asked)))[users]
            kept = ranks < depth
            retrieved[asked[users[kept]], ranks[kept]] = self._order[positions[kept]]
            asked = asked[np.bincount(users, minlength=len(asked)) < depth]
        return retrieved


def popular(catalogue: Catalogue) -> Ranked:
    """Videos with a history, by their rate; of equal ones that with more interactions first."""
    warm = np.flatnonzero(~np.isnan(catalogue.rate))
    order = np.lexsort((warm, -catalogue.interactions[warm], -catalogue.rate[warm]))
    return Ranked(warm[order], len(catalogue))


def new(catalogue: Catalogue) -> Ranked:
    """Videos without a history, by their expected rate; of equal ones the newest first."""
    cold = np.flatnonzero(np.isnan(catalogue.rate))
    days = np.nan_to_num(catalogue.upload_days[cold], nan=np.inf, posinf=np.inf)
    order = np.lexsort((cold, days, -catalogue.expected_rate[cold]))
    return Ranked(cold[order], len(catalogue))
