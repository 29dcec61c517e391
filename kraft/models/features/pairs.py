"""The preset kraft's features: what `pair_features` stores, and what the watch time model says of each pair.

Missing values stay missing (NaN): LightGBM learns where to send them.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kraft import columns
from kraft.models.features.feature_table import FeatureTable, FloatMatrix
from kraft.models.watch_time.model import WatchTimeModel

KEYS = (columns.USER_INDEX, columns.VIDEO_INDEX)
MODELLED_ROWS = 8_192
"""Rows that the watch time model is asked for at a time: some 5 MB of temporaries."""


class _RowGroup(NamedTuple):
    """The row group that is resident: 11 MB at 65,536 rows."""

    number: int
    features: FloatMatrix


class PairRows(FeatureTable[_RowGroup]):
    """The rows of `pair_features` as feature vectors.

    Args:
        table: the Parquet file.
        model: fitted on the history that the table was made of; None leaves out `columns.WATCH_TIME`.
        without: names of feature groups to leave out (`columns.PAIR_FEATURE_GROUPS`, `columns.WATCH_TIME`).

    Raises:
        InputError: the file lacks a column.
    """

    def __init__(self, table: Path, model: WatchTimeModel | None, without: Collection[str] = ()) -> None:
        self._model = None if columns.WATCH_TIME in without else model
        names = columns.pair_features(without if self._model else {*without, columns.WATCH_TIME})
        self._stored = [name for name in names if name not in columns.WATCH_TIME_FEATURES]
        self._needed = list(dict.fromkeys([*self._stored, columns.LOG_DURATION]))
        super().__init__(table, names, (*self._needed, *KEYS))

    def _load(self, number: int) -> _RowGroup:
        arrow = self.read(number, self._needed, nullable=True)
        rows = np.empty((len(arrow), len(self.feature_names)), dtype=np.float32)
        for index, name in enumerate(self.feature_names):
            if name in self._stored:
                rows[:, index] = _floats(arrow[name])
        if self._model:
            lengths = _floats(arrow[columns.LOG_DURATION])
            users, videos = (
                column.to_numpy().astype(np.int32, copy=False) for column in self.read(number, KEYS).columns
            )
            for first in range(0, len(rows), MODELLED_ROWS):
                part = slice(first, first + MODELLED_ROWS)
                modelled = self._model.features(users[part], videos[part], lengths[part])
                rows[part, : len(columns.WATCH_TIME_FEATURES)] = modelled
        return _RowGroup(number, rows)

    def _fill(self, target: FloatMatrix, group: _RowGroup, offsets: npt.NDArray[np.int64]) -> None:
        target[:] = group.features[offsets]


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """A column as float32, NaN if it is missing."""
    values: npt.NDArray[np.float32] = column.to_numpy().astype(np.float32, copy=False)
    return values
