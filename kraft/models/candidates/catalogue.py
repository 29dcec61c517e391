"""The videos that may be recommended, and what the sources need to know of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kraft import columns
from kraft.models.candidates.top import Positions
from kraft.models.code_columns import positions_of

CATEGORIES = tuple(f"category_{number}" for number in range(1, 5))
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """One row a video, in the order of the ids: a video's row is its position."""

    item_id: Positions
    video_index: Positions
    """Row of the watch time model."""
    item_index: Positions
    """Row of the ALS factors; -1 for a video that is not in train."""
    rate: Floats
    """Smoothed positive rate; NaN for a video without a history."""
    expected_rate: Floats
    """What its groups let expect of its rate; never NaN."""
    interactions: Positions
    """Of train [rows]."""
    upload_days: Floats
    """From upload to the end of the history [d]; NaN if unknown."""
    log_duration: Floats
    """Length [log s]; NaN if unknown."""
    categories: NDArray[np.int64]
    """Shape (videos, 4); -1 beyond its last."""

    def __len__(self) -> int:
        return len(self.item_id)

    @classmethod
    def read(cls, table: Path) -> Self:
        """The table `catalogue` of the work folder."""
        # pq.read_table would bring Arrow's datasets: 20 MiB.
        with pq.ParquetFile(table) as file:
            read = file.read()
        return cls(
            item_id=_integers(read[columns.ITEM_ID]).astype(np.int32),
            video_index=_integers(read[columns.VIDEO_INDEX]).astype(np.int32),
            item_index=_integers(read[columns.ITEM_INDEX]).astype(np.int32),
            rate=_floats(read["rate"]),
            expected_rate=_floats(read["expected_rate"]),
            interactions=_integers(read["interactions"]).astype(np.int32),
            upload_days=_floats(read["upload_days"]),
            log_duration=_floats(read[columns.LOG_DURATION]),
            categories=np.stack([_integers(read[name]) for name in CATEGORIES], axis=1),
        )

    def only(self, positions: NDArray[np.int64]) -> "Catalogue":
        """The videos at ``positions``, which ascend; their positions are new."""
        return Catalogue(*(getattr(self, name)[positions] for name in self.__dataclass_fields__))

    def positions(self, item_ids: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int64]:
        """Position of each id; -1 for one that is not in the catalogue."""
        return positions_of(self.item_id, np.asarray(item_ids))

    def position_of_item(self) -> Positions:
        """Position of each row of the ALS factors, as long as the largest that is here needs; -1 where none."""
        position = np.full(int(self.item_index.max(initial=-1)) + 1, -1, dtype=np.int32)
        known = np.flatnonzero(self.item_index >= 0)
        position[self.item_index[known]] = known
        return position


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    values: NDArray[np.int64] = column.fill_null(-1).to_numpy().astype(np.int64)
    return values


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy().astype(np.float64)
    return values
