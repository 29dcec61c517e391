"""Which rows the ranker learns from, and which decide when it stops."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kraft.models.positives import LabelsError

Labels = npt.NDArray[np.bool_]
COLD_VIDEOS_HELD = 4
"""One in so many of the videos without history is kept for validation alone."""


class SplitRows(NamedTuple):
    """Row numbers of both parts, int32, each ascending."""

    train: npt.NDArray[np.int32]
    validation: npt.NDArray[np.int32]


def random_rows(labels: npt.NDArray[np.bool_], fraction: float, seed: int) -> SplitRows:
    """Draw validation rows at random, positives and others in the same proportion in both parts.

    Args:
        labels: bool, shape (n_rows,).
        fraction: share of validation rows, between 0 and 1 (preset documented: 0.2).
        seed: scikit-learn's random_state (preset documented: 42).

    Raises:
        LabelsError: a class has fewer than two rows, or the validation part would have.

    The rows are those of scikit-learn's `train_test_split`, sorted: ascending numbers make every pass over the table a
    sequential read, and what the rows can teach depends on their set, not on their order.
    """
    # The library itself takes 50 MiB: a process that draws no rows does without it.
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    check_labels(labels, fraction)
    numbers = np.arange(len(labels), dtype=np.int32)
    train, validation = train_test_split(numbers, test_size=fraction, random_state=seed, stratify=labels)
    return SplitRows(np.sort(train), np.sort(validation))


def check_labels(labels: Labels, fraction: float) -> None:
    """Make sure that `random_rows` can draw from each class.

    Raises:
        LabelsError: a class has fewer than two rows, or the validation part would have.
    """
    n_rows, n_positive = len(labels), int(np.count_nonzero(labels))
    if min(n_positive, n_rows - n_positive) < 2 or min(fraction, 1 - fraction) * n_rows < 2:  # noqa: PLR2004
        raise _too_few(n_rows, n_positive, fraction)


def latest_rows(
    labels: Labels,
    times: npt.NDArray[np.float64],
    videos: npt.NDArray[np.int32],
    warm: Labels,
    fraction: float,
) -> SplitRows:
    """The latest rows for validation, the earlier ones to learn from.

    A video without history is known by its attributes alone, and trees could learn it by heart from these: so a
    quarter of such videos is met in validation only, and the others in training only. Early rows of the former
    and late rows of the latter are in neither part.

    Args:
        labels: bool, shape (n_rows,).
        times: when each pair met [s], the same shape; NaN counts as latest.
        videos: item_id of each row, the same shape.
        warm: whether its video has a history, the same shape.
        fraction: share of the rows that is latest, between 0 and 1.

    Raises:
        LabelsError: a part has no rows of a class.
    """
    n_rows = len(labels)
    order = np.argsort(np.nan_to_num(times, nan=np.inf), kind="stable")
    late = np.zeros(n_rows, dtype=bool)
    late[order[n_rows - round(fraction * n_rows) :]] = True
    # Spread over the ids by a multiplication modulo a prime.
    held = ((videos.astype(np.int64) * 7919 + 12_345) * 13 % 1009) % COLD_VIDEOS_HELD == 0
    train = np.flatnonzero(~late & (warm | ~held)).astype(np.int32)
    validation = np.flatnonzero(late & (warm | held)).astype(np.int32)
    for part in (train, validation):
        if len(np.unique(labels[part])) < 2:  # noqa: PLR2004 - both classes
            raise _too_few(n_rows, int(np.count_nonzero(labels)), fraction)
    return SplitRows(train, validation)


def _too_few(n_rows: int, n_positive: int, fraction: float) -> LabelsError:
    problem = (
        f"{n_rows:,} train rows, {n_positive:,} of them positive, are too few to train a ranker and to "
        f"validate it on {fraction:.0%} of them"
    )
    return LabelsError(problem, n_rows, n_positive)
