"""The ranker's features, one batch at a time.

A ranker table stores 29 narrow columns a row and two rows of the factor matrices by number. What the model
sees is 29 + 2 x factors columns of float32: 157 at 64 factors, 2.3 GB for the train rows of small_matrix.
So the wide matrix never exists: `FeatureRows` keeps one row group of the narrow columns and gathers factors
for the rows that are asked for.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kraft import columns
from kraft.errors import InputError
from kraft.models.als.factors import gather_factors
from kraft.models.features.feature_table import FeatureTable, FloatMatrix

_NEEDED = (*columns.STORED_FEATURES, columns.USER_INDEX, columns.ITEM_INDEX)
_N_LEADING = len(columns.LEADING_FEATURES)


class _RowGroup(NamedTuple):
    """The row group that is resident: 7.6 MB of features at 65,536 rows."""

    number: int
    features: FloatMatrix
    """The stored features, shape (n_rows, 29)."""
    user_index: npt.NDArray[np.int32]
    item_index: npt.NDArray[np.int32]


class FeatureRows(FeatureTable[_RowGroup]):
    """The rows of a ranker table (`ranker_train`, `ranker_test`) as the documented feature vectors.

    Args:
        table: Parquet file with `columns.STORED_FEATURES`, user_index and item_index.
        user_factors: float32, shape (n_users, n_factors); may be memory-mapped.
        item_factors: float32, shape (n_items, n_factors); may be memory-mapped.

    Raises:
        InputError: the file lacks a column, or the factors of users and items differ in width.
    """

    def __init__(self, table: Path, user_factors: FloatMatrix, item_factors: FloatMatrix) -> None:
        if user_factors.shape[1] != item_factors.shape[1]:
            raise InputError(
                f"user factors have {user_factors.shape[1]} columns, item factors {item_factors.shape[1]}: "
                "they must come from one ALS model",
                "Train again with --force.",
            )
        self._factors = user_factors, item_factors
        super().__init__(table, columns.ranker_features(self.n_factors), _NEEDED)

    @property
    def n_factors(self) -> int:
        return int(self._factors[0].shape[1])

    def _fill(
        self,
        target: FloatMatrix,
        group: _RowGroup,
        offsets: npt.NDArray[np.int64],
    ) -> None:
        n_factors = self.n_factors
        stored = group.features[offsets]
        user_start, item_start = _N_LEADING, _N_LEADING + n_factors
        target[:, :user_start] = stored[:, :_N_LEADING]
        target[:, user_start:item_start] = gather_factors(self._factors[0], group.user_index[offsets])
        target[:, item_start : item_start + n_factors] = gather_factors(self._factors[1], group.item_index[offsets])
        target[:, item_start + n_factors :] = stored[:, _N_LEADING:]

    def _load(self, number: int) -> _RowGroup:
        arrow = self.read(number, _NEEDED)
        features = np.empty((len(arrow), len(columns.STORED_FEATURES)), dtype=np.float32)
        for index, name in enumerate(columns.STORED_FEATURES):
            features[:, index] = arrow[name].to_numpy()
        user_index, item_index = (
            arrow[name].to_numpy().astype(np.int32) for name in (columns.USER_INDEX, columns.ITEM_INDEX)
        )
        return _RowGroup(number, features, user_index, item_index)
