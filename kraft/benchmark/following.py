"""Follows all processes that a command starts, while they run: the peak of each program's largest one, and what they
take together.

The kernel counts for a command what it waited for. Spark's Java and the Python workers below it are not among that.
Linux alone shows processes as they run (/proc); elsewhere nothing is found.
"""

import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PROCESSES: Final = Path("/proc")
EVERY_SECONDS: Final = 0.25
"""Between two looks, of some milliseconds. The kernel keeps each process's own peak: a look too late misses only what
one grew by at its very end."""
KIB: Final = 1024


class Follower:
    """A context manager that follows a session, in a thread of its own.

    Args:
        session: process id of the session's first process, itself not counted.
    """

    def __init__(self, session: int) -> None:
        self._session = session
        self.largest: dict[str, int] = {}
        """Program, as /proc calls it (java, python) -> peak resident memory of its largest process, in bytes."""
        self.together = 0
        """Resident memory of all of them at one time, at most, in bytes; pages that they share count for each."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._end.wait(EVERY_SECONDS):
            self.look()

    def look(self) -> None:
        """Look at the processes once."""
        together = 0
        with suppress(OSError):
            for place in PROCESSES.iterdir():
                if place.name.isdecimal():
                    # One may end meanwhile.
                    with suppress(OSError, KeyError, ValueError):
                        together += self._take(place)
        self.together = max(self.together, together)

    def _take(self, place: Path) -> int:
        """Take the peak of one process, and return what it takes now; nothing of another session's."""
        before, _, after = place.joinpath("stat").read_text(errors="replace").rpartition(")")
        if int(after.split()[3]) != self._session or int(place.name) == self._session:
            return 0
        program = before.partition("(")[2]
        told = dict(line.split(":", 1) for line in place.joinpath("status").read_text(errors="replace").splitlines())
        peak, now = (int(told[name].split()[0]) * KIB for name in ("VmHWM", "VmRSS"))
        self.largest[program] = max(self.largest.get(program, 0), peak)
        return now
