"""Candidates of all users, block after block: tables of pairs, in order, though made side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kraft import columns
from kraft.models.candidates import SHARES
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Block, Source
from kraft.models.candidates.top import BLOCK_BYTES, NOBODY, block_rows
from kraft.models.candidates.union import Union, merge
from kraft.models.candidates.user_rows import Index, Rows, UserRows
from kraft.settings import MIB

ROOM_OF_A_BLOCK: Final = 8 * BLOCK_BYTES
"""Memory of a block at work, with the videos that it must not retrieve and its results [bytes]."""
ROOM_OF_LIBRARIES: Final = 192 * MIB
UNITED_PAIRS: Final = 1 << 18
"""Candidates of users that are merged at once."""

Cells = NDArray[np.int64]

_NO_ROWS: Final = Rows(np.empty(0, np.int32), (np.empty(0, np.int32), np.empty(0, np.int32)))


class Tables(NamedTuple):
    """What is known of the users, each table sorted by user_index; None if it is not wanted."""

    seen: UserRows | None
    """item_index of what each user met."""
    recent: UserRows | None = None
    """rank, item_index."""
    tastes: UserRows | None = None
    """category, weight."""


class Made(NamedTuple):
    """The candidates of one block."""

    table: pa.Table
    """As `schema`, sorted by user_id and item_id."""
    users: int
    short: int
    """Users with fewer candidates than asked for."""


def schema(*, ranks: bool) -> pa.Schema:
    """Columns of candidates: user_id, item_id, rank (from 1), sources (`candidates.BITS`); with ``ranks``, of
    each source the rank in its list, from 1, NULL if the video is not in it.
    """
    names = (columns.USER_ID, columns.ITEM_ID, "rank", "sources")
    fields = [pa.field(name, pa.int32(), nullable=False) for name in names]
    return pa.schema(fields + [pa.field(f"rank_{name}", pa.int32()) for name in SHARES] * ranks)


def workers(threads: int, memory_limit: int) -> int:
    """Blocks side by side that the memory limit [bytes] has room for; results do not depend on it."""
    return max(1, min(threads, (memory_limit - ROOM_OF_LIBRARIES) // ROOM_OF_A_BLOCK))


def candidates(
    catalogue: Catalogue,
    sources: Mapping[str, Source],
    tables: Tables,
    users: tuple[Index, Index],
    n: int,
    *,
    ranks: bool,
    threads: int,
) -> Iterator[Made]:
    """The ``n`` candidates of each user by the union of ``sources``.

    Args:
        catalogue: the videos to choose from.
        sources: by name; of users with the index -1 only those without a query have anything to say.
        tables: of the users.
        users: user_id, ascending, and user_index, ascending but for -1.
        n: at least 1.
        ranks: all that the sources retrieve in lists of ``n``, by priority, with the columns of ranks: the first n
            are the candidates, and the rest tells what each source alone would have brought.
        threads: blocks side by side.
    """
    ids, index = users
    height, depth = block_rows(len(catalogue)), min(n, len(catalogue))
    taken = min(depth * len(sources), len(catalogue)) if ranks else depth

    def make(cut: slice, block: Block) -> Made:
        buffer = np.empty(height * len(catalogue), dtype=np.float32)
        lists = {name: source.retrieve(block, depth, buffer) for name, source in sources.items()}
        tables, short = [], 0
        # Fewer users at a time where lists are long: a union takes some 100 bytes a candidate.
        step = max(UNITED_PAIRS // taken, 1)
        for first in range(0, len(block), step):
            part = slice(first, first + step)
            merged = merge({name: each[part] for name, each in lists.items()}, taken, len(catalogue), buffer)
            short += int((np.count_nonzero(merged.positions != NOBODY, axis=1) < n).sum())
            tables.append(_table(ids[cut][part], catalogue, merged, ranks=ranks))
        return Made(pa.concat_tables(tables), len(block), short)

    position = catalogue.position_of_item()
    blocks = ((cut, _block(index[cut], height, tables, position)) for cut in _cuts(index, height))
    yield from _in_order(make, blocks, threads)


def all_items(catalogue: Catalogue, tables: Tables, users: tuple[Index, Index], *, threads: int) -> Iterator[Made]:
    """Every video that a user may get; `rank` is by the id, `sources` 0. Arguments as of `candidates`."""
    ids, index = users
    height = max(block_rows(len(catalogue)) // 4, 1)

    def make(cut: slice, block: Block) -> Made:
        allowed = np.ones((len(block), len(catalogue)), dtype=np.bool_)
        allowed[block.excluded.users, block.excluded.values[0]] = False
        rows, positions = np.nonzero(allowed)
        starts = np.searchsorted(rows, np.arange(len(block)))
        values = [ids[cut][rows], catalogue.item_id[positions], np.arange(len(rows)) - starts[rows] + 1]
        narrow = [column.astype(np.int32, copy=False) for column in (*values, np.zeros(len(rows)))]
        return Made(pa.table(narrow, schema=schema(ranks=False)), len(block), 0)

    position = catalogue.position_of_item()
    cuts = (slice(first, first + height) for first in range(0, len(ids), height))
    yield from _in_order(make, ((cut, _block(index[cut], height, tables, position)) for cut in cuts), threads)


def _cuts(index: Index, height: int) -> Iterator[slice]:
    """Cuts of the users into blocks in which no two stand in the same row of the products."""
    first = 0
    stood = np.full(height, -1, dtype=np.int64)
    for number, user in enumerate(index.tolist()):
        slot = user % height
        if (user >= 0 and stood[slot] >= first) or number - first == height:
            yield slice(first, number)
            first = number
        if user >= 0:
            stood[slot] = number
    if first < len(index):
        yield slice(first, len(index))


def _block(users: Index, height: int, tables: Tables, position: NDArray[np.int32]) -> Block:
    excluded = _NO_ROWS
    if tables.seen:
        rows, (item,) = tables.seen.read(users)
        # Videos of train beyond the last that is in the catalogue have no position either.
        known = np.append(position, NOBODY)[np.minimum(item, len(position))]
        excluded = Rows(rows[known >= 0], (known[known >= 0],))
    recent = tables.recent.read(users) if tables.recent else _NO_ROWS
    tastes = tables.tastes.read(users) if tables.tastes else _NO_ROWS
    return Block(users, height, excluded, recent, tastes)


def _in_order(
    make: Callable[[slice, Block], Made], blocks: Iterable[tuple[slice, Block]], threads: int
) -> Iterator[Made]:
    """``make`` of each block, in their order; tables are read by this thread, one block ahead of the others."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for cut, block in blocks:
            waiting.append(pool.submit(make, cut, block))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _table(ids: Index, catalogue: Catalogue, merged: Union, *, ranks: bool) -> pa.Table:
    rows, slots = np.nonzero(merged.positions != NOBODY)
    positions = merged.positions[rows, slots]
    # One integer each: user, then video.
    order = np.argsort(rows * len(catalogue) + positions)
    rows, slots, positions = rows[order], slots[order], positions[order]
    values: list[Any] = [ids[rows], catalogue.item_id[positions], slots.astype(np.int32) + np.int32(1)]
    values.append(merged.sources[rows, slots])
    if ranks:
        values += [_ranks(merged.ranks.get(name), rows, slots) for name in SHARES]
    return pa.table(values, schema=schema(ranks=ranks))


def _ranks(ranks: NDArray[np.int32] | None, rows: Cells, slots: Cells) -> pa.Array:
    if ranks is None:
        return pa.nulls(len(rows), pa.int32())
    found = ranks[rows, slots]
    return pa.array(found, mask=found == 0)
