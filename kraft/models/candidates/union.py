"""One list of candidates a user out of the lists of the sources.

A video's priority is the least rank / share over the sources that retrieve it; the videos with the least are taken. So
of n candidates a source with a tenth of the shares brings its best n / 10, or more where lists overlap or end early.
"""

from collections.abc import Mapping
from math import lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kraft.models.candidates import BITS, SHARES
from kraft.models.candidates.top import NOBODY, Positions, best


class Union(NamedTuple):
    """Candidates of a block of users; `NOBODY` and zeros beyond a user's last."""

    positions: Positions
    """Shape (users, n), by priority; of equal ones the lower position first."""
    sources: Positions
    """Shape (users, n): the bits of the sources in whose own quota the video is: those whose rank / share is at most
    that of the last candidate."""
    ranks: dict[str, Positions]
    """For each source, shape (users, n): the video's rank in its list, from 1; 0 where it is not in it."""


def steps(shares: Mapping[str, int]) -> dict[str, int]:
    """What one rank of a source adds to the priority: integers that stand to each other as 1 / share does.

    >>> steps({"als": 20, "popular": 15, "new": 15})
    {'als': 3, 'popular': 4, 'new': 4}
    """
    whole = lcm(*shares.values())
    return {name: whole // share for name, share in shares.items()}


def merge(lists: Mapping[str, Positions], n: int, n_videos: int, buffer: NDArray[np.float32]) -> Union:
    """The n videos of each user with the least priority.

    Args:
        lists: by source, shape (users, depth): positions, best first, each once; `NOBODY` beyond a list's end. With
            a depth of n the result is that of lists without an end: a rank beyond n has n videos before it.
        n: candidates a user.
        n_videos: positions are below it.
        buffer: contiguous, at least users x n_videos long; overwritten.

    Priorities are compared exactly up to 2^24: lists of millions of videos.
    """
    users = len(next(iter(lists.values())))
    step = steps({name: SHARES[name] for name in lists})
    priorities = buffer[: users * n_videos]
    priorities.fill(-np.inf)
    for name, positions in lists.items():
        cells, _, ranks = _cells(positions, n_videos)
        priorities[cells] = np.maximum(priorities[cells], (-step[name] * ranks).astype(np.float32))
    taken = best(priorities.reshape(users, n_videos), n)

    # From here on the buffer holds each video's index in the user's list.
    order_of = buffer.view(np.int32)[: users * n_videos]
    order_of.fill(NOBODY)
    cells, _, ranks = _cells(taken, n_videos)
    order_of[cells] = ranks - 1
    found: dict[str, Positions] = {}
    for name, positions in lists.items():
        cells, rows, ranks = _cells(positions, n_videos)
        index = order_of[cells]
        kept = index >= 0
        found[name] = np.zeros((users, n), dtype=np.int32)
        found[name][rows[kept], index[kept]] = ranks[kept]
    return Union(taken, _provenance(found, step), found)


def _cells(positions: Positions, n_videos: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of all entries of lists: the cell in a matrix (users, videos), the user, the rank from 1."""
    rows, ranks = np.nonzero(positions != NOBODY)
    return rows * n_videos + positions[rows, ranks], rows, ranks + 1


def _provenance(found: Mapping[str, Positions], step: Mapping[str, int]) -> Positions:
    far = np.iinfo(np.int32).max
    priorities = {name: np.where(ranks > 0, ranks * step[name], far) for name, ranks in found.items()}
    least = np.minimum.reduce(list(priorities.values()))
    last = np.where(least == far, 0, least).max(axis=1, initial=0)
    sources = np.zeros(least.shape, dtype=np.int32)
    for name, priority in priorities.items():
        sources[priority <= last[:, None]] |= BITS[name]
    return sources
