"""Progress for people: a bar on a terminal, plain lines elsewhere, always on stderr.

stdout carries only what a job was asked for (summaries, tables), so that it can be piped.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

QUIET, NORMAL, VERBOSE = -1, 0, 1
PLAIN_SECONDS = 15.0
"""Seconds between two plain lines of one task, where stderr is not a terminal."""


class Task:
    """One running task: `advance` it, and `note` what a reader wants to see beside the bar."""

    def __init__(self, title: str, total: int | None, unit: str, verbosity: int) -> None:
        self._title, self._total, self._verbosity = title, total, verbosity
        self._done, self._note, self._unit = 0, "", unit
        self._started = self._spoken = time.monotonic()
        terminal = sys.stderr.isatty()
        self._plain = verbosity >= NORMAL and not terminal
        in_bytes = unit == "B"
        self._bar = tqdm(
            total=total,
            desc=title,
            unit=unit,
            unit_scale=True,
            unit_divisor=1024 if in_bytes else 1000,
            disable=verbosity < NORMAL or not terminal,
            leave=False,
            file=sys.stderr,
        )

    def advance(self, amount: int = 1) -> None:
        """Count ``amount`` more units (rows, rounds, bytes) as done."""
        self._done += amount
        self._bar.update(amount)
        now = time.monotonic()
        if self._plain and now - self._spoken >= PLAIN_SECONDS:
            self._spoken = now
            self._say()

    def note(self, text: str) -> None:
        """Show ``text`` after the bar, for example the validation AUC of the last round."""
        self._note = text
        self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        self._bar.close()

    def _say(self) -> None:
        share = f" of {self._total:,}" if self._total else ""
        seconds = time.monotonic() - self._started
        rate = f"  {self._done / seconds / 1e6:.1f} MB/s" if self._unit == "B" else ""
        note = f"{rate}  {self._note}" if self._note else rate
        print(
            f"{self._title}  {self._done:,}{share} {self._unit}  {seconds:.0f} s{note}",
            file=sys.stderr,
            flush=True,
        )


class Progress:
    """Where a job reports to. ``verbosity``: -1 silent, 0 normal, 1 also details."""

    def __init__(self, verbosity: int = NORMAL) -> None:
        self.verbosity = verbosity

    @contextmanager
    def task(self, title: str, total: int | None = None, unit: str = "rows") -> Iterator[Task]:
        """A task of ``total`` units; ``unit="B"`` shows binary sizes and a rate."""
        task = Task(title, total, unit, self.verbosity)
        try:
            yield task
        finally:
            task.close()

    def say(self, line: str) -> None:
        """A line that everybody but ``--quiet`` should read."""
        self._write(line, NORMAL)

    def detail(self, line: str) -> None:
        """A line for ``--verbose``."""
        self._write(line, VERBOSE)

    def _write(self, line: str, level: int) -> None:
        if self.verbosity >= level:
            tqdm.write(line, file=sys.stderr)
            sys.stderr.flush()
