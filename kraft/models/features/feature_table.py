"""A table of pairs as feature vectors, one row group in memory at a time.

What a feature vector is made of is the subclasses' business: `features.FeatureRows` (preset documented) gathers
factors by index, `pair_rows.PairRows` (preset kraft) asks the watch time model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kraft import columns
from kraft.errors import InputError
from kraft.models.ranker.lightgbm_import import lightgbm

FloatMatrix = npt.NDArray[np.float32]
RowNumbers = npt.NDArray[np.int32] | npt.NDArray[np.int64]

BATCH_ROWS = 4096
"""Rows made and handed to LightGBM at a time: 2.6 MB at 157 features. The results do not depend on it; 65,536
rows took half as long again to score: such a batch does not fit the cache."""
_REBUILD = "Rebuild the table with python -m jobs.build_features --force."


class RowGroup(Protocol):
    """What a subclass keeps of the row group that is resident."""

    @property
    def number(self) -> int: ...


Resident = TypeVar("Resident", bound=RowGroup)
Scalar = TypeVar("Scalar", bound=np.generic)


class FeatureTable(ABC, Generic[Resident]):
    """Random access to the rows of a Parquet table as feature vectors.

    One row group is resident, so rows are cheap in ascending order and dear in any other, where a row group is
    read and decoded for each.

    Args:
        table: the Parquet file.
        feature_names: names of a batch's columns.
        needed: columns that the file must have.

    Raises:
        InputError: the file lacks a column.

    Values become float32, exact for whole numbers up to 16,777,216.
    """

    def __init__(self, table: Path, feature_names: Sequence[str], needed: Sequence[str]) -> None:
        self.table = table
        self.feature_names = tuple(feature_names)
        # Neither a mapped file nor read-ahead: mapped pages count as resident, and would add the whole file.
        self._file = pq.ParquetFile(table, memory_map=False, pre_buffer=False)
        metadata = self._file.metadata
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        self._resident: Resident | None = None
        absent = [name for name in needed if name not in self._file.schema_arrow.names]
        if absent:
            self.close()
            raise InputError(f"{table}: column {', '.join(absent)} is missing", _REBUILD)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def row_groups(self) -> int:
        return len(self._starts) - 1

    def row_group_rows(self, number: int) -> range:
        """Row numbers of row group ``number``, from 0."""
        return range(int(self._starts[number]), int(self._starts[number + 1]))

    def read(self, row_group: int, names: Sequence[str], *, nullable: bool = False) -> pa.Table:
        """Stored columns of one row group, in the order of ``names``.

        Raises:
            InputError: the table has no such column, or a value of it is missing and not ``nullable``.
        """
        for name in names:
            if name not in self._file.schema_arrow.names:
                raise InputError(f"{self.table}: column {name} is missing", _REBUILD)
        # One thread: decoding several columns at once holds the buffers of all of them.
        arrow = self._file.read_row_group(row_group, columns=list(names), use_threads=False)
        for name in () if nullable else names:
            if arrow[name].null_count:
                rows = self.row_group_rows(row_group)
                raise InputError(
                    f"{self.table}, column {name}: {arrow[name].null_count} values are missing in rows "
                    f"{rows.start} to {rows.stop - 1}",
                    _REBUILD,
                )
        return arrow.select(list(names))

    def labels(self) -> npt.NDArray[np.bool_]:
        """positive_interaction of every row: bool, shape (n_rows,), one byte a row.

        Raises:
            InputError: the table has no labels, or one of them is missing.
        """
        return self.column(columns.POSITIVE_INTERACTION, np.bool_)

    def column(self, name: str, kind: type[Scalar], *, nullable: bool = False) -> npt.NDArray[Scalar]:
        """A stored column of every row, shape (n_rows,); read a row group at a time.

        Raises:
            InputError: the table has no such column, or a value of it is missing and not ``nullable``.
        """
        values = np.empty(len(self), dtype=kind)
        for number in range(self.row_groups):
            rows = self.row_group_rows(number)
            values[rows.start : rows.stop] = self.read(number, [name], nullable=nullable)[name].to_numpy()
        return values

    def take(self, rows: RowNumbers) -> FloatMatrix:
        """Feature vectors of ``rows`` (ascending row numbers): float32, shape (len(rows), n_features).

        Raises:
            IndexError: a row number is below 0 or not below len(self).
            ValueError: the row numbers are not ascending.
        """
        if np.any(rows[1:] < rows[:-1]):
            raise ValueError("row numbers must be ascending")
        batch = np.empty((len(rows), len(self.feature_names)), dtype=np.float32)
        done = 0
        while done < len(rows):
            group = self._row_group_of(int(rows[done]))
            end = done + int(np.searchsorted(rows[done:], self._starts[group.number + 1]))
            self._fill(batch[done:end], group, rows[done:end] - self._starts[group.number])
            done = end
        return batch

    def close(self) -> None:
        self._resident = None
        self._file.close()

    @abstractmethod
    def _load(self, number: int) -> Resident:
        """Decode row group ``number``."""

    @abstractmethod
    def _fill(self, target: FloatMatrix, group: Resident, offsets: npt.NDArray[np.int64]) -> None:
        """Write the feature vectors of the rows at ``offsets`` of ``group`` to ``target``."""

    def _row_group_of(self, row: int) -> Resident:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of a table of {len(self)} rows")
        resident = self._resident
        if resident is not None and row in self.row_group_rows(resident.number):
            return resident
        # Let go of the old row group before the new one is decoded: one is resident, not two.
        self._resident = resident = None
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        self._resident = self._load(number)
        return self._resident


class RowSequence(lightgbm.Sequence):
    """Some rows of a table as LightGBM asks for them: single ones ascending, then slices in order.

    Args:
        features: the table.
        rows: ascending row numbers, shape (n_rows,).
        batch_size: rows in a slice.
        on_batch: called with the number of rows of every slice.
    """

    def __init__(
        self,
        features: FeatureTable[Any],
        rows: RowNumbers,
        batch_size: int = BATCH_ROWS,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._features, self._rows, self._on_batch = features, rows, on_batch
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | list[int]) -> npt.NDArray[Any]:
        """float32, shape (n, n_features), for a slice or list; float64, shape (n_features,), for one row."""
        if isinstance(index, int | np.integer):
            # LightGBM 4.7 takes the sample for float64 without a look; pushed slices may be float32.
            row: npt.NDArray[Any] = self._features.take(self._rows[[index]])[0].astype(np.float64)
            return row
        batch = self._features.take(self._rows[index])
        self._on_batch(len(batch))
        return batch
