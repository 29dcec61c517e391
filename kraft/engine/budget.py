"""How one memory limit is shared out, and what was really used."""

import resource
import sys
from dataclasses import dataclass

from kraft.errors import InputError
from kraft.settings import MIB

LEAST_LIMIT = 384 * MIB
"""Below this, the libraries themselves (about 180 MiB resident with LightGBM) leave too little to work in."""


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


def peak_bytes() -> int:
    """Peak resident memory of this process so far, in bytes, as the kernel counted it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def mib(size: int) -> str:
    """``size`` bytes as people read it, for example ``1,024 MiB``."""
    return f"{size / MIB:,.0f} MiB"
