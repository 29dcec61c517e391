"""What a table says of the users of a block: a stream over a Parquet file that is sorted by user_index."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kraft.columns import USER_INDEX

Index = NDArray[np.int32]


class Rows(NamedTuple):
    """Rows of a table that belong to the users of a block, in the table's order."""

    users: Index
    """Shape (n,), ascending: the row's user, as a position in the block."""
    values: tuple[NDArray[Any], ...]
    """A column each, shape (n,)."""


class UserRows:
    """A table sorted by user_index, of which one row group is resident.

    Args:
        table: Parquet with an INTEGER user_index, sorted by it; a user's rows may stand in several row groups.
        columns: further columns to read, without missing values.
    """

    def __init__(self, table: Path, columns: tuple[str, ...]) -> None:
        # Without pre_buffer and memory_map no more than the columns of one row group is in memory.
        self._file = pq.ParquetFile(table, pre_buffer=False)
        self._columns = [USER_INDEX, *columns]
        self._group = -1
        self._read: tuple[NDArray[Any], ...] = ()
        bounds = [self._bounds(group) for group in range(self._file.metadata.num_row_groups)]
        self._firsts = np.array([least for least, _ in bounds], dtype=np.int64)
        self._lasts = np.array([most for _, most in bounds], dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, users: Index) -> Rows:
        """The rows of ``users``.

        Args:
            users: user_index of each user of a block, ascending but for -1, which has no rows.

        Blocks that follow one another read each row group once; row groups between them are passed over.
        """
        positions = np.flatnonzero(users >= 0)
        known = users[positions]
        parts = [self._part(group, known) for group in self._groups(known)]
        found = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else self._nothing()
        return Rows(positions[found[0]].astype(np.int32), tuple(found[1:]))

    def _groups(self, known: Index) -> range:
        """Row groups that may hold rows of these users."""
        if not len(known):
            return range(0)
        start, stop = np.searchsorted(self._lasts, known[0]), np.searchsorted(self._firsts, known[-1], side="right")
        return range(int(start), int(stop))

    def _part(self, group: int, known: Index) -> list[NDArray[Any]]:
        users, *values = self._load(group)
        cut = slice(*np.searchsorted(users, [known[0], known[-1] + 1]))
        users = users[cut]
        positions = np.searchsorted(known, users)
        asked = known[positions] == users
        if asked.all():
            return [positions, *(column[cut] for column in values)]
        return [positions[asked], *(column[cut][asked] for column in values)]

    def _load(self, group: int) -> tuple[NDArray[Any], ...]:
        if group != self._group:
            read = self._file.read_row_group(group, columns=self._columns, use_threads=False)
            self._read = tuple(read[name].to_numpy() for name in self._columns)
            self._group = group
        return self._read

    def _nothing(self) -> list[NDArray[Any]]:
        _, *types = (self._file.schema_arrow.field(name).type for name in self._columns)
        return [np.empty(0, dtype=np.int64), *(pa.array([], kind).to_numpy() for kind in types)]

    def _bounds(self, group: int) -> tuple[int, int]:
        """Least and greatest user of a row group."""
        described = self._file.metadata.row_group(group)
        if not described.num_rows:
            # A table without rows: before all users.
            return -1, -1
        column = next(i for i in range(described.num_columns) if described.column(i).path_in_schema == USER_INDEX)
        statistics = described.column(column).statistics
        if statistics is not None and statistics.has_min_max:
            return statistics.min, statistics.max
        users = self._load(group)[0]
        return int(users[0]), int(users[-1])
