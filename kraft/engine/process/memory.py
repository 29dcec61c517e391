"""How one memory limit is shared out, and what was really used."""

import resource
import sys
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from kraft.errors import InputError
from kraft.settings import MIB

LEAST_LIMIT = 384 * MIB
"""Below this, the libraries themselves (about 180 MiB resident with LightGBM) leave too little to work in."""


LEAST_BESIDE_DUCKDB = 240 * MIB
"""What a process that builds tables needs besides DuckDB's buffers, at any limit."""
LEAST_TRAINING_ROWS = 10_000
"""Fewer would hardly make a ranker."""


class _Phase(NamedTuple):
    """Memory of a phase of training, measured on 42 and 157 features and up to 7.5 M rows."""

    base: float
    """Libraries, one batch [bytes]."""
    feature: float
    """Each feature [bytes]."""
    row: float
    """Each row, besides one byte a feature [bytes]."""

    def rows(self, limit: float, features: int) -> int:
        return int((limit - self.base - self.feature * features) // (features + self.row))

    def limit(self, rows: int, features: int) -> float:
        return self.base + self.feature * features + (features + self.row) * rows


_PHASES = (
    # Placing the bins: a sample of 50,000 rows as float64, more than twice.
    _Phase(base=200 * MIB, feature=0.9 * MIB, row=0),
    # Growing trees: label, score, gradients, row numbers.
    _Phase(base=260 * MIB, feature=0, row=44),
)
_MARGIN = 0.98
"""Of the limit: what the phases may take."""


@dataclass(frozen=True)
class Budget:
    """The memory limit of a process, in bytes of resident memory, and the parts of it."""

    limit: int

    def __post_init__(self) -> None:
        if self.limit < LEAST_LIMIT:
            raise InputError(
                f"--memory-limit {mib(self.limit)} is less than the libraries and one batch need",
                f"Give at least {mib(LEAST_LIMIT)}.",
            )

    @property
    def duckdb(self) -> int:
        """DuckDB's memory_limit, in bytes: five eighths, or less if the limit is low. It bounds the buffer manager
        only, not Parquet writers, results and libraries (duckdb issues 10066 and 16482).

        >>> [Budget(limit * MIB).duckdb // MIB for limit in (384, 512, 1024, 4096)]
        [144, 272, 640, 2560]
        """
        return min(self.limit * 5 // 8, self.limit - LEAST_BESIDE_DUCKDB)

    def training_rows(self, features: int) -> int:
        """How many rows of so many features the ranker has room for.

        Raises:
            InputError: fewer than `LEAST_TRAINING_ROWS`; names the least limit that would do.

        >>> Budget(1024 * MIB).training_rows(157)
        3878556
        """
        rows = min(phase.rows(_MARGIN * self.limit, features) for phase in _PHASES)
        if rows < LEAST_TRAINING_ROWS:
            least = max(phase.limit(LEAST_TRAINING_ROWS, features) for phase in _PHASES) / _MARGIN
            raise InputError(
                f"--memory-limit {mib(self.limit)} has no room to train a ranker on {features:,} features",
                f"Give at least {mib(ceil(least / MIB) * MIB)}, or fewer --factors.",
            )
        return rows


def peak_bytes() -> int:
    """Peak resident memory of this process so far, in bytes, as the kernel counted it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def mib(size: int) -> str:
    """``size`` bytes as people read it, for example ``1,024 MiB``."""
    return f"{size / MIB:,.0f} MiB"
