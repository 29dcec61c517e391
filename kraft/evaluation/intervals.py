"""How far a metric would move with other users: percentile intervals of the bootstrap over users.

Users, not pairs, are drawn with replacement, since a user's pairs are no independent observations (Efron and
Tibshirani 1993, An Introduction to the Bootstrap, chapter 13; for rankings Sakai 2006, doi 10.1145/1148170.1148261).
All score sets meet the same resamples, so differences between them are paired.

Every sum here is one of whole numbers, so neither threads nor the order of rows change a bit of a result.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kraft.engine.process.memmap import PagedArray

RESAMPLES = 1000
SEED = 42
CONFIDENCE = 0.95
BINS = 512
"""Steps of the score in `user_bins`."""

UNIT = 1e-12
"""Values of users are added as whole multiples of this."""
USERS_AT_ONCE = 256
"""Users whose counts are held unpacked, 16 KiB each."""
EXACT_SINGLES = 2**24
"""Up to this every whole number is one of single precision."""
USERS_WRITTEN = 4096
"""Users whose counts are mapped at a time while they are written, 8 MiB."""
ROWS_AT_ONCE = 64
"""Resamples that are drawn at a time, 8 bytes a user and resample."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = tuple[Integers, Integers, Integers]
"""User (0-based, ascending), cell (`cell_of`) and pairs: equally long parts of `user_bins`."""


class Estimate(NamedTuple):
    """A figure and its 95 % interval; None if it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        return self._asdict()


@dataclass(frozen=True, eq=False)
class Resampled:
    """One metric of one score set, over the users as they are and over every resample."""

    value: float | None
    """The exact figure; None if it is undefined."""
    draws: Floats
    """Shape (1 + resamples,): of the users as they are, then of each resample; NaN if undefined."""

    def estimate(self) -> Estimate:
        """The exact figure, with the resamples' interval moved by what the first of ``draws`` is off it."""
        return _estimate(self.value, self.draws)

    def minus(self, other: "Resampled") -> Estimate:
        """The paired difference: both over the same resamples."""
        if self.value is None or other.value is None:
            return Estimate(None)
        return _estimate(self.value - other.value, self.draws - other.draws)


def _estimate(value: float | None, draws: Floats) -> Estimate:
    drawn = draws[1:][~np.isnan(draws[1:])]
    if value is None or not len(drawn):
        return Estimate(value)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail)) + (value - draws[0])
    return Estimate(value, float(low), float(high))


class Resamples:
    """How often each user occurs in each resample, in a file: users may be many.

    Args:
        users: how many there are.
        folder: gets the file, 2 bytes a user and resample.
        resamples: how many to draw, each of as many users.
        seed: of the draws; the same for the same users.
    """

    def __init__(self, users: int, folder: Path, resamples: int = RESAMPLES, seed: int = SEED) -> None:
        random = np.random.default_rng(seed)
        self.users = users
        self.most = 1
        """How often a user occurs in a resample at most."""
        # Mapped for one block of users at a time: pages that were touched stay resident while they are mapped.
        self._counts = PagedArray.create(folder / f"resamples_of_{users}.npy", np.uint16, (users, 1 + resamples))
        for here in self._blocks(USERS_WRITTEN):
            self._counts.map("r+")[here, 0] = 1
        for first in range(1, 1 + resamples, ROWS_AT_ONCE):
            rows = range(first, min(first + ROWS_AT_ONCE, 1 + resamples))
            drawn = np.stack([np.bincount(random.integers(0, users, users), minlength=users) for _ in rows])
            self.most = max(self.most, int(drawn.max(initial=0)))
            for here in self._blocks(USERS_WRITTEN):
                self._counts.map("r+")[here, rows.start : rows.stop] = drawn[:, here].T

    def weights(self, users: slice) -> NDArray[np.uint16]:
        """Shape (users, 1 + resamples): of the users as they are, then of each resample. A map of the file."""
        return self._counts.map()[users]

    def _blocks(self, length: int) -> Iterator[slice]:
        return (slice(first, min(first + length, self.users)) for first in range(0, self.users, length))

    def means(self, values: Floats) -> Floats:
        """Mean over the users of the users as they are, and of each resample.

        Args:
            values: shape (users,); NaN for a user who does not count.

        Returns:
            Shape (1 + resamples,); NaN if no user counts.
        """
        counts = ~np.isnan(values)
        units = np.stack([np.rint(np.where(counts, values, 0) / UNIT), counts], axis=1).astype(np.int64)
        sums = sum(self.weights(here).T.astype(np.int64) @ units[here] for here in self._blocks(USERS_AT_ONCE))
        total, users = np.broadcast_to(sums, (self._counts.shape[1], 2)).T
        return _ratio(total * UNIT, users.astype(np.float64))

    def histograms(self, parts: Iterable[Counts]) -> Floats:
        """Pairs in each cell, over the users as they are and over each resample.

        Args:
            parts: `user_bins` by user.

        Returns:
            Shape (1 + resamples, 4 * BINS), whole numbers.
        """
        found = np.zeros((self._counts.shape[1], 4 * BINS))
        for users, cells, pairs in parts:
            for first in range(int(users[0]), int(users[-1]) + 1, USERS_AT_ONCE):
                here = slice(*np.searchsorted(users, (first, first + USERS_AT_ONCE)))
                block = np.zeros((min(USERS_AT_ONCE, self.users - first), 4 * BINS))
                np.add.at(block, (users[here] - first, cells[here]), pairs[here])
                # Whole numbers up to 2^24 are exact in single precision, which multiplies in half of the time; up to
                # 2^53 in double.
                exact = np.float32 if self.most * block.sum(axis=0).max() <= EXACT_SINGLES else np.float64
                found += self.weights(slice(first, first + len(block))).T.astype(exact) @ block.astype(exact)
        return found


def cell_of(bins: Integers, warm: Integers, positive: Integers) -> Integers:
    """Column of `Resamples.histograms`: step of the score, then warm, then positive."""
    return (2 * bins + warm) * 2 + positive


def aucs(histograms: Floats) -> Mapping[str, Floats]:
    """AUC of each row of ``histograms``, by the names of `kraft.evaluation.ranking.SUBSETS`.

    Pairs of one step count as tied. With s steps of equal count and a share p of positives that puts the AUC off by
    at most 1 / (8 s p (1 - p)), were every step sorted perfectly; measured, by less than 0.0001. Equal scores always
    share a step, so ties add nothing to this. `Resampled.estimate` takes the figure itself from `score_auc`.
    """
    cold, warm = (histograms.reshape(len(histograms), BINS, 2, 2)[:, :, subset] for subset in (0, 1))
    return {"all": _auc(cold + warm), "warm items": _auc(warm), "cold items": _auc(cold)}


def _auc(counts: Floats) -> Floats:
    """AUC of each row of ``counts``, shape (rows, BINS, 2): negatives and positives of each step."""
    negatives, positives = counts[:, :, 0], counts[:, :, 1]
    twice_beaten = 2 * np.cumsum(negatives, axis=1) - negatives
    twice_wins = (positives * twice_beaten).sum(axis=1)
    return _ratio(twice_wins, 2 * positives.sum(axis=1) * negatives.sum(axis=1))


def _ratio(above: Floats, below: Floats) -> Floats:
    """``above / below``; NaN where ``below`` is 0."""
    quotient: Floats = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return quotient
