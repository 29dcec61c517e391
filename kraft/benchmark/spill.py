"""How much DuckDB spills: the bytes of its spill folders below a work folder, looked at while a job runs."""

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY = 0.05
"""Seconds between two looks, each of a few files."""


class SpillWatch:
    """A context manager in which a thread of its own looks; `most` is known at its end.

    Args:
        work: the work folder; it need not be there yet. Sessions spill to `tmp/spill-*` in it
            (`kraft.engine.session`).
        every: seconds between two looks.
    """

    def __init__(self, work: Path, every: float = EVERY) -> None:
        self._work, self._every = work, every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.most = 0
        """The most bytes that stood there at once."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(self._every):
            self.most = max(self.most, spilled(self._work))


def spilled(work: Path) -> int:
    """Bytes in the spill folders right now."""
    total = 0
    for file in work.glob("tmp/spill-*/*"):
        # Deleted between the listing and the look.
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
