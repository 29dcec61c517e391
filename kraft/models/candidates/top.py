"""The best videos of each user of a block, exact and in order: a matrix product, then a selection.

How BLAS rounds a row of a product depends on the product's shape and on the row's position (OpenBLAS: rows 6 to 11 of
each 12 take another kernel than rows 0 to 5). So the height of a block depends on the number of videos only, a user is
always in the same row, and a product runs on one thread: a user's scores have the same bits whoever else is asked for.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatMatrix = NDArray[np.float32]
Positions = NDArray[np.int32]

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Scores of a block, at most; a selection takes half as much again."""
MOST_ROWS: Final = 1_024
LEAST_ROWS: Final = 16
"""Fewer rows would leave the product's speed behind; from a million videos on, a block takes more memory instead."""
NOBODY: Final = -1
"""Stands where a row has no more videos."""

_STEP: Final = 16
"""Every how many-th score is looked at to guess a threshold."""
_LEAST_SAMPLED: Final = 2_048
_LOWEST: Final = np.finfo(np.float32).min
_NO_KEY: Final = np.iinfo(np.uint64).max


def block_rows(n_videos: int) -> int:
    """Users of a block: a power of two.

    >>> block_rows(3_327), block_rows(10_728), block_rows(1_000_000)
    (1024, 256, 16)
    """
    fitting = BLOCK_BYTES // (4 * max(n_videos, 1))
    return min(max(1 << max(fitting.bit_length() - 1, 0), LEAST_ROWS), MOST_ROWS)


def multiply(
    queries: FloatMatrix, videos: FloatMatrix, slots: NDArray[np.int64], height: int, buffer: NDArray[np.float32]
) -> FloatMatrix:
    """``queries @ videos.T`` of a block, in ``buffer``.

    Args:
        queries: shape (n, d), n from 1 to ``height``.
        videos: shape (m, d).
        slots: shape (n,), all different, from 0 to ``height`` - 1: the row of the product that each query stands in.
        height: rows of the product; those that nobody stands in are zeros.
        buffer: contiguous, at least ``height`` x m long; overwritten.

    Returns:
        Shape (n, m); a view of ``buffer`` where the queries stand in the first rows, in order.
    """
    padded = np.zeros((height, queries.shape[1]), dtype=np.float32)
    padded[slots] = queries
    scores = buffer[: height * len(videos)].reshape(height, len(videos))
    np.matmul(padded, videos.T, out=scores)
    return scores[: len(slots)] if np.array_equal(slots, np.arange(len(slots))) else scores[slots]


def best(scores: FloatMatrix, n: int) -> Positions:
    """The ``n`` best columns of each row: highest score first, of equal ones the lower column.

    Args:
        scores: shape (rows, columns), rows x columns below 2^32; -inf where a column may not be taken; no NaN.
        n: how many; may be more than there are columns.

    Returns:
        Shape (rows, n); `NOBODY` if a row has fewer than n columns above -inf.

    A threshold that a few more than n scores of a row reach is guessed from every 16th score. What reaches it is
    sorted, in one integer each of score and column; the few rows whose threshold was a bad guess get an exact one.
    With 50,000 columns and n = 500 this takes half of the time of NumPy's argpartition along the rows, which leaves
    the n best unsorted, and a fifth of that of implicit's topk; with 10,000 columns it is even with argpartition.
    """
    rows, columns = scores.shape
    picked = np.full((rows, n), NOBODY, dtype=np.int32)
    if not rows or not columns or not n:
        return picked
    thresholds = _guess(scores, n)
    cells = _true_cells(scores >= thresholds[:, None])
    bounds = np.searchsorted(cells, np.arange(rows + 1) * columns)
    counts = np.diff(bounds)
    # If the threshold is the lowest, all that may be taken is there, however little.
    bad = ((counts < n) & (thresholds > _LOWEST)) | (counts > 4 * n + 256)
    if bad.any():
        parts = np.split(cells, bounds[1:-1])
        for row in np.flatnonzero(bad):
            parts[row] = _exact(scores[row], n) + row * columns
        cells = np.concatenate(parts)
        counts = np.array([len(part) for part in parts])
    of_row = np.repeat(np.arange(rows), counts)
    keys = _keys(scores.reshape(-1)[cells], cells - of_row * columns)
    table = np.full((rows, max(int(counts.max()), 1)), _NO_KEY, dtype=np.uint64)
    table[of_row, np.arange(len(cells)) - (np.cumsum(counts) - counts)[of_row]] = keys
    table.sort(axis=1)
    table = table[:, :n]
    # The upper half of `_NO_KEY` is the key of no score; its lower half is -1 as int32.
    picked[:, : table.shape[1]] = table.astype(np.uint32).view(np.int32)
    return picked


def _guess(scores: FloatMatrix, n: int) -> NDArray[np.float32]:
    """A score for each row that n scores of the row reach for certain, or a few more than n very likely."""
    columns = scores.shape[1]
    if n >= columns:
        return np.full(len(scores), _LOWEST)
    if columns < _LEAST_SAMPLED or 4 * n > columns:
        sample, nth = scores, n
    else:
        sample = scores[:, ::_STEP]
        # Of the n best, a sample holds n / 16, give or take the root of that.
        expected = n / _STEP
        nth = min(int(expected + 3 * expected**0.5 + 4), sample.shape[1])
    cut = sample.shape[1] - nth
    thresholds: NDArray[np.float32] = np.partition(sample, cut, axis=1)[:, cut]
    return np.maximum(thresholds, _LOWEST)


def _true_cells(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """``np.flatnonzero(mask)`` where few are true: a third of its time, eight cells being looked at at once."""
    bits = np.packbits(mask)
    some = np.flatnonzero(bits != 0)
    within = np.flatnonzero(np.unpackbits(bits[some]).view(np.bool_))
    cells: NDArray[np.int64] = some[within >> 3] * 8 + (within & 7)
    return cells


def _exact(scores: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """The n best columns of one row, or all that may be taken, in no order."""
    cut = max(len(scores) - n, 0)
    threshold = max(np.partition(scores, cut)[cut], _LOWEST)
    above = np.flatnonzero(scores > threshold)
    return np.concatenate([above, np.flatnonzero(scores == threshold)[: n - len(above)]])


def _keys(scores: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Integers that ascend as the scores descend and, of equal scores, as the columns ascend."""
    # Adding zero makes -0.0 and 0.0 one.
    bits = (scores + np.float32(0)).view(np.uint32)
    # IEEE 754: as integers, floats above zero ascend and those below descend.
    ranked = np.where(bits >> 31 != 0, bits, bits ^ np.uint32(0x7FFFFFFF))
    keys: NDArray[np.uint64] = (ranked.astype(np.uint64) << np.uint64(32)) | columns.astype(np.uint64)
    return keys
