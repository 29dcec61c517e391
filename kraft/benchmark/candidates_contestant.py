"""The best videos of every user in a process of its own, for `jobs.benchmark candidates`.

    python -m kraft.benchmark.candidates_contestant SIDE --factors DIR --out FILE --candidates 500 --threads 2

kraft  the source `als` of `kraft.models.candidates`: one BLAS thread a block, blocks side by side, lists in order
numpy  a matrix product on all threads, block after block, and numpy.argpartition along its rows; lists in no order

The last line of stdout is JSON: seconds, users a second, and a checksum of all positions. The lists of every
`SAMPLED`-th user go to FILE.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kraft.benchmark.candidates import KRAFT, SAMPLED, SIDES
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Als, Block
from kraft.models.candidates.top import FloatMatrix, block_rows
from kraft.models.candidates.user_rows import Rows
from kraft.models.factors import Factors

BLOCK_USERS = 256
"""Of the NumPy side. Its speed is even from 64 to 1,024 users, its memory is not."""

Lists = Iterator[tuple[int, NDArray[Any]]]
"""First user of a block, and the positions of all its users."""


def kraft(users: FloatMatrix, items: FloatMatrix, n: int, threads: int) -> Lists:
    """As the stage runs its source `als`, with nothing seen."""
    none = np.empty(0, dtype=np.int32)
    unknown = np.full(len(items), np.nan)
    places = np.arange(len(items), dtype=np.int32)
    categories = np.full((len(items), 4), -1)
    catalogue = Catalogue(places, places, places, unknown, unknown, places, unknown, unknown, categories)
    source = Als(Factors(users, items, "none", 0.0, 0.0, 0.0), catalogue)
    height = block_rows(len(items))
    empty = Rows(none, (none, none))

    def choose(first: int) -> tuple[int, NDArray[Any]]:
        index = np.arange(first, min(first + height, len(users)), dtype=np.int32)
        block = Block(index, height, empty, empty, empty)
        return first, source.offer(block, n, np.empty(height * len(items), dtype=np.float32))

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(choose, range(0, len(users), height))


def plain(users: FloatMatrix, items: FloatMatrix, n: int, threads: int) -> Lists:
    """As one would write it."""
    with threadpool_limits(threads, user_api="blas"):
        for first in range(0, len(users), BLOCK_USERS):
            scores = users[first : first + BLOCK_USERS] @ items.T
            yield first, np.argpartition(scores, len(items) - n, axis=1)[:, len(items) - n :]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kraft.benchmark.candidates_contestant", description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("--factors", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--candidates", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    users, items = (np.load(options.factors / f"{side}.npy", allow_pickle=False) for side in ("users", "items"))
    side: Callable[..., Lists] = kraft if options.side == KRAFT else plain
    started = time.monotonic()
    checksum = 0
    sampled = []
    for first, positions in side(users, items, options.candidates, options.threads):
        checksum += int(positions.sum(dtype=np.int64))
        sampled.append(positions[-first % SAMPLED :: SAMPLED].astype(np.int32))
    seconds = time.monotonic() - started
    np.save(options.out, np.concatenate(sampled), allow_pickle=False)
    print(json.dumps({"choosing_seconds": seconds, "rate": len(users) / seconds, "checksum": checksum}))


if __name__ == "__main__":
    main()
