"""From candidates to lists: features, scores, and the best of each user, a block of whole users at a time.

Candidates come sorted by user. A block of whole users at a time gets its features, its scores and its lists, so that
neither memory nor the disk for features grows with the number of users.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.candidates import names_of
from kraft.models.rerank import UNKNOWN, Content, pool_size, rerank
from kraft.settings import Settings
from kraft.stages.given_pairs import write_features
from kraft.stages.score import ScoreTable, score_table

BLOCK_PAIRS = 500_000
"""Candidate pairs ranked together, some 50 MB of features on disk. Results do not depend on it. Of 11 M pairs twice as
many took as long and 25 MiB more, half as many a fifth longer."""
CATEGORY_COLUMNS: Final = ("category_1", "category_2", "category_3", "category_4")
LISTS_SCHEMA: Final = pa.schema(
    [
        pa.field(columns.USER_ID, pa.int32(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field(columns.ITEM_ID, pa.int32(), nullable=False),
        pa.field(columns.SCORE, pa.float64(), nullable=False),
        pa.field("sources", pa.string(), nullable=False),
    ]
)


class Ranking:
    """What turns a block of candidates into lists.

    Args:
        store: the work folder, whose tables and models are up to date.
        settings: preset, memory limit and threads.
        top: videos a user.
        diversity: 0 to 1.
        score_table: what scores a table of features.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        top: int,
        diversity: float,
        score_table: ScoreTable = score_table,
    ) -> None:
        self._store, self._settings, self._score_table = store, settings, score_table
        self._top, self._diversity = top, diversity
        self._catalogue = _Catalogue(store.table("catalogue")) if diversity else None

    def lists(self, block: pa.Table) -> tuple[pa.Table, int, int]:
        """The lists of a block of whole users, its users, and those of them with fewer than `top` videos."""
        items, masks = (block[name].to_numpy() for name in (columns.ITEM_ID, "sources"))
        users = block[columns.USER_ID].to_numpy()
        scores = self._scores(block)
        # Stable, and the items ascend: equal scores stay in the order of the ids.
        order = np.lexsort((-scores, users))
        starts = np.flatnonzero(np.concatenate(([True], users[1:] != users[:-1])))
        sizes = np.diff(np.append(starts, len(users)))
        pool = min(pool_size(self._top) if self._catalogue else self._top, int(sizes.max()))
        positions = starts[:, None] + np.arange(pool)
        rows = np.where(np.arange(pool) < sizes[:, None], order[np.minimum(positions, len(order) - 1)], UNKNOWN)
        if self._catalogue:
            videos = np.where(rows != UNKNOWN, self._catalogue.rows(items[rows]), UNKNOWN)
            chosen = rerank(videos, scores[rows], self._catalogue.content, self._top, self._diversity)
            taken = np.take_along_axis(rows, np.maximum(chosen, 0), axis=1)
            rows = np.where(chosen != UNKNOWN, taken, UNKNOWN)
        there = rows != UNKNOWN
        listed = rows[there]
        ranks = np.broadcast_to(np.arange(1, rows.shape[1] + 1), rows.shape)[there]
        table = pa.table(
            [users[listed], ranks.astype(np.int32), items[listed], scores[listed], _texts(masks[listed])],
            schema=LISTS_SCHEMA,
        )
        return table, len(starts), int((there.sum(axis=1) < self._top).sum())

    def _scores(self, block: pa.Table) -> NDArray[np.float64]:
        """The ranker's score of each pair, in the order of the block."""
        with self._store.scratch() as folder:
            pairs, scored = folder / "given.parquet", folder / "scores.parquet"
            pq.write_table(block.select([columns.USER_ID, columns.ITEM_ID]), pairs)
            features = write_features(pairs, self._store, self._settings, folder)
            self._score_table(self._settings, self._store, features, scored, Progress(-1))
            found: NDArray[np.float64] = pq.read_table(scored, columns=[columns.SCORE])[columns.SCORE].to_numpy()
            return found


class _Catalogue:
    """Content of every video, by id."""

    def __init__(self, table: Path) -> None:
        frame = pq.read_table(table, columns=[columns.ITEM_ID, "author_id", *CATEGORY_COLUMNS])
        self._ids = frame[columns.ITEM_ID].to_numpy()
        categories = np.stack([_filled(frame[name]) for name in CATEGORY_COLUMNS], axis=1)
        self.content = Content(categories, _filled(frame["author_id"]))

    def rows(self, items: NDArray[np.int32]) -> NDArray[np.int64]:
        """Rows of ``items``, all of which are in the catalogue."""
        return np.searchsorted(self._ids, items)


def user_blocks(table: Path, rows: int) -> Iterator[pa.Table]:
    """A table sorted by user_id in blocks of whole users: about ``rows`` rows, or one user with more."""
    waiting: list[pa.Table] = []
    with pq.ParquetFile(table) as file:
        for group in range(file.num_row_groups):
            waiting.append(file.read_row_group(group))
            if sum(map(len, waiting)) < rows:
                continue
            block = pa.concat_tables(waiting)
            users = block[columns.USER_ID].to_numpy()
            # The last user may go on in the next row group.
            cut = int(np.searchsorted(users, users[-1]))
            if cut:
                yield block.slice(0, cut)
            waiting = [block.slice(cut)]
    rest = pa.concat_tables(waiting) if waiting else None
    if rest:
        yield rest


def _filled(column: pa.ChunkedArray) -> NDArray[np.int64]:
    values: NDArray[np.int64] = column.cast(pa.int64()).fill_null(UNKNOWN).to_numpy()
    return values


def _texts(masks: NDArray[np.int32]) -> pa.Array:
    """The sources' names of each mask: few are different."""
    kinds, which = np.unique(masks, return_inverse=True)
    return pa.array([names_of(int(mask)) for mask in kinds], pa.string()).take(pa.array(which))
