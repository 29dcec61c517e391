"""How one memory limit is shared out, and what was really used."""

import resource
import sys
from dataclasses import dataclass

from kraft.errors import InputError
from kraft.settings import MIB

LEAST_LIMIT = 384 * MIB
"""Below this, the libraries themselves (about 180 MiB resident with LightGBM) leave too little to work in."""


TRAINING_BASE = 260 * MIB
"""What training takes beside its rows: libraries, the sample that places the bins, one batch."""
TRAINING_ROW = 48
"""Bytes a row beside one a feature: label, score, gradients, row numbers (measured: 28 to 47)."""


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
        """DuckDB's memory_limit, in bytes: half. It bounds the buffer manager only; Parquet writers, results
        and the libraries stand beside it (duckdb issues 10066 and 16482).
        """
        return self.limit // 2

    def training_rows(self, features: int) -> int:
        """How many rows of so many binned features there is room for.

        >>> Budget(1024 * MIB).training_rows(157)
        3907914
        """
        return (self.limit - TRAINING_BASE) // (features + TRAINING_ROW)


def peak_bytes() -> int:
    """Peak resident memory of this process so far, in bytes, as the kernel counted it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def mib(size: int) -> str:
    """``size`` bytes as people read it, for example ``1,024 MiB``."""
    return f"{size / MIB:,.0f} MiB"
