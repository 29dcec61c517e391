"""Sessions with as much memory as a test wants, and what they spill."""

import threading
from dataclasses import dataclass

from kraft.engine.budget import Budget

AMPLE = 2048
"""A share of DuckDB in MiB that no test needs."""


@dataclass(frozen=True)
class Share(Budget):
    """A budget that gives DuckDB just these bytes."""

    duckdb: int = 0


class SpillWatch(threading.Thread):
    """Notes the most bytes seen in the spill folders below ``parent`` until stopped."""

    def __init__(self, parent):
        super().__init__(daemon=True)
        self.parent, self.most, self.stopping = parent, 0, threading.Event()

    def run(self):
        while not self.stopping.wait(0.005):
            self.most = max(self.most, sum(map(self._size, self.parent.glob("spill-*/*"))))

    @staticmethod
    def _size(path):
        try:
            return path.stat().st_size
        except FileNotFoundError:  # DuckDB removes a file as soon as it has read it back
            return 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()
