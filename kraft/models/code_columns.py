"""Columns for codes from the data: one for each code that occurs, never one for each number up to the greatest.

The value of a code costs nothing. If more codes occur than there may be columns, the most frequent keep one each and
the rest share one.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
MISSING = -1
"""Stands in an array of codes where there is none, and in an array of columns where a code has none."""


def positions_of(known: NDArray[np.integer], asked: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where each of ``asked`` stands in ``known``; `MISSING` if it does not. Memory: 8 bytes each, by value nothing.

    Args:
        known: ascending, each once.
        asked: of any shape.

    >>> positions_of(np.array([0, 5, 2_147_483_000]), np.array([5, 4, 2_147_483_000])).tolist()
    [1, -1, 2]
    """
    if not len(known):
        return np.full(asked.shape, MISSING)
    found = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[found] == asked, found, MISSING)


class CodeColumns(NamedTuple):
    """Which code has which column."""

    known: Codes
    """Codes with a column of their own, ascending: column k is that of ``known[k]``."""
    sharing: int
    """Other codes that occur: they share the last column, which is there only for them."""

    @classmethod
    def of(cls, codes: Codes, most: int) -> Self:
        """The columns for what occurs in ``codes``.

        Args:
            codes: of any shape; negative where there is none.
            most: columns that there may be, the shared one among them; 2 or more.
        """
        found, counts = np.unique(codes[codes >= 0], return_counts=True)
        if len(found) <= most:
            return cls(found, 0)
        # Of equally frequent codes the smaller ones.
        kept = np.lexsort((found, -counts))[: most - 1]
        return cls(np.sort(found[kept]), len(found) - (most - 1))

    def __len__(self) -> int:
        """Columns."""
        return len(self.known) + bool(self.sharing)

    def positions(self, codes: Codes) -> NDArray[np.int64]:
        """The column of each of ``codes``; `MISSING` if there is no code, or one that has no column."""
        positions = positions_of(self.known, codes)
        return np.where((positions < 0) & (codes >= 0), len(self.known), positions) if self.sharing else positions
