"""Looks at a job while it runs: memory of all its processes (Linux, /proc), and bytes that DuckDB spills.

The kernel counts for a command only the processes it waited for. Spark's Java and its Python workers are not among
them.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

PROCESSES: Final = Path("/proc")
KIB: Final = 1024


class Monitor:
    """A context manager in which a thread calls `look` every ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.look()

    def look(self) -> None:
        raise NotImplementedError


class ProcessMonitor(Monitor):
    """Memory of the processes of a session, given by the id of its first process, which is not counted.

    The kernel keeps each process's own peak: a late look misses only what one grew by at its very end.
    """

    def __init__(self, session: int, every: float = 0.25) -> None:
        super().__init__(every)
        self._session = session
        self.largest: dict[str, int] = {}
        """Program, as /proc names it (java, python) -> peak resident memory of its largest process, in bytes."""
        self.together = 0
        """Most resident memory of all of them at one time, in bytes; shared pages count for each."""

    def look(self) -> None:
        together = 0
        with suppress(OSError):
            for path in PROCESSES.iterdir():
                if path.name.isdecimal():
                    # A process may end meanwhile.
                    with suppress(OSError, KeyError, ValueError):
                        together += self._take(path)
        self.together = max(self.together, together)

    def _take(self, path: Path) -> int:
        """Take the peak of one process, and return its memory now; 0 for another session's."""
        before, _, after = path.joinpath("stat").read_text(errors="replace").rpartition(")")
        if int(after.split()[3]) != self._session or int(path.name) == self._session:
            return 0
        program = before.partition("(")[2]
        status = dict(line.split(":", 1) for line in path.joinpath("status").read_text(errors="replace").splitlines())
        peak, now = (int(status[name].split()[0]) * KIB for name in ("VmHWM", "VmRSS"))
        self.largest[program] = max(self.largest.get(program, 0), peak)
        return now


class SpillMonitor(Monitor):
    """Bytes that DuckDB's sessions spill to `tmp/spill-*` of the work folder, which need not exist yet."""

    def __init__(self, work: Path, every: float = 0.05) -> None:
        super().__init__(every)
        self._work = work
        self.most = 0
        """Most bytes at one time."""

    def look(self) -> None:
        spilled = 0
        for file in self._work.glob("tmp/spill-*/*"):
            # Deleted between the listing and the look.
            with suppress(FileNotFoundError):
                spilled += file.stat().st_size
        self.most = max(self.most, spilled)
