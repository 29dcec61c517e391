"""Sessions with as much memory as a test wants."""

from dataclasses import dataclass

from kraft.engine.process.memory import Budget

AMPLE = 2048
"""A share of DuckDB in MiB that no test needs."""
LOOK = 0.005
"""Seconds between two looks at what is spilled: these builds are short."""


@dataclass(frozen=True)
class Share(Budget):
    """A budget that gives DuckDB just these bytes."""

    duckdb: int = 0
