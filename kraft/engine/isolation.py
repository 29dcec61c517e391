"""Runs a stage in a process of its own, so that its memory is its own.

What one stage loaded or left behind (DuckDB's buffers, LightGBM's bins, imported libraries) can never add
to the peak of the next, and the limit is checked against what the kernel counted for that process alone.
Settings and results cross as JSON, never as pickle.

A stage ends with its job. Signals from the keyboard reach the job alone, which then kills the stage wherever it is; and
where the job itself is killed, the stage sees the end of its stdin, which the job held open, and kills itself.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder
from types import MappingProxyType, ModuleType
from typing import Any, Final, Protocol, Self

from kraft import errors
from kraft.engine.budget import peak_bytes
from kraft.engine.faults import explained
from kraft.errors import KraftError, MachineError
from kraft.settings import MIB

Stage = Callable[[dict[str, Any]], dict[str, Any]]

ENVIRONMENT = {
    # Threads that wait go to sleep: with another busy process on 2 cores, spinning ones trained in 316 s
    # what sleeping ones trained in 8.5 s.
    "OMP_WAIT_POLICY": "passive",
    # The stages run their own threads over blocks; a BLAS that does so too would oversubscribe the cores.
    "OPENBLAS_NUM_THREADS": "1",
    # Two arenas of glibc's malloc instead of eight a core: freed memory is found again.
    "MALLOC_ARENA_MAX": "2",
    # Freed blocks are kept for the next one, up to 512 MiB: batches and row groups come and go, and each time their
    # pages would have to be had from the system again. Peaks stay as they are (measured at 512 MiB and 1 GiB).
    "MALLOC_MMAP_THRESHOLD_": str(64 * MIB),
    "MALLOC_TRIM_THRESHOLD_": str(512 * MIB),
}
"""What the libraries of a stage find in their environment, unless the user set it."""

THRIFTY = {
    # Large blocks come from the system and go back to it at once, for Arrow too: 40 MiB less at the peak of the
    # ranker. Whoever allocates much and often pays in page faults (a fifth more time for tables and ALS).
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""The same for a stage that is short of memory rather than of time."""

ONE_READER = {
    # Batches that Polars reads ahead of what is computed of them: with a thread a core, and several row groups at once,
    # 30 to 130 MiB more at the peak of ALS, for not a second less.
    "POLARS_MAX_THREADS": "1",
    "POLARS_ROW_GROUP_PREFETCH_SIZE": "1",
}
"""The same for the stages of a job, where Polars reads batch after batch; a twin is written with all threads."""


KILLED_FOR: Final = {
    signal.SIGKILL: "Where that was the kernel for want of memory, lower --memory-limit.",
    signal.SIGBUS: "A mapped file could not grow, or was cut short: free some disk space.",
}
"""What may have been the reason of a signal, and what to do."""


def run_stage(
    stage: str,
    arguments: dict[str, Any],
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    lock: int | None = None,
) -> dict[str, Any]:
    """Call ``stage`` ("package.module:function") with ``arguments`` in a new process, and wait for it.

    Returns, raises: as `RunningStage.result`.
    """
    with RunningStage(stage, arguments, environment=environment, lock=lock) as running:
        return running.result()


class Running(Protocol):
    """A stage that was started, wherever it runs; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def begin(self, arguments: dict[str, Any]) -> None:
        """Let a stage work that was started without arguments."""

    def wait_for(self, news: str) -> bool:
        """Wait until the stage tells ``news`` (`tell`); False if it ended without."""

    def result(self) -> dict[str, Any]:
        """Wait for the end: what the stage returned, its `peak_bytes` and `seconds`."""


class RunningStage:
    """A stage in a process of its own; a context manager, at whose end no process is left.

    Args:
        stage: the function to call, as "package.module:function".
        arguments: its argument, as JSON can hold it. None: it loads its libraries, and waits for `begin`.
        environment: variables beyond `ENVIRONMENT`, unless the user set them.
        lock: an open file, locked by this process (`kraft.engine.locks.hold`), that stays locked until the stage ends
            too.
    """

    def __init__(
        self,
        stage: str,
        arguments: dict[str, Any] | None = None,
        *,
        environment: Mapping[str, str] = MappingProxyType({}),
        lock: int | None = None,
    ) -> None:
        self._name = stage.split(":", maxsplit=1)[0]
        self._answer = ""
        with _interrupts_held():
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, stage],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**ENVIRONMENT, **environment, **os.environ},
                text=True,
                pass_fds=() if lock is None else (lock,),
            )
        assert process.stdin is not None  # noqa: S101 - a PIPE was asked for
        assert process.stdout is not None  # noqa: S101
        self._process, self._asked, self._told = process, process.stdin, process.stdout
        if arguments is not None:
            try:
                self.begin(arguments)
            except BaseException:
                self._kill()
                raise

    def begin(self, arguments: dict[str, Any]) -> None:
        """Let a stage work that was started without arguments."""
        # The clock is one for all processes of a machine.
        asked = json.dumps({"begun": time.monotonic(), "arguments": arguments})
        # A process that died at once reads nothing; how it ended is told by `result`. Its stdin stays open until it has
        # ended.
        with suppress(BrokenPipeError):
            self._asked.write(asked + "\n")
            self._asked.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._kill()

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._told.close()
        # What was not written, because it had died, is not tried again.
        with suppress(BrokenPipeError):
            self._asked.close()

    def wait_for(self, news: str) -> bool:
        """Wait until the stage tells ``news`` (`tell`); False if it ended without."""
        return any(line == _telling(news) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        """What the stage prints on stdout; the last line that is no news is its answer."""
        for line in self._told:
            if not line.startswith('{"news": '):
                self._answer = line
            yield line

    def result(self) -> dict[str, Any]:
        """Wait for the end.

        Returns:
            The function's result with `peak_bytes` (of the process) and `seconds` (from `begin` on) added.

        Raises:
            KraftError: as the stage raised it.
            MachineError: the process was killed, for example by the kernel for want of memory.
        """
        for _ in self._lines():
            pass
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        if code < 0:
            killer = signal.Signals(-code)
            raise MachineError(
                f"stage {self._name} was killed by {killer.name} at {usage.ru_maxrss / 1024:,.0f} MiB",
                KILLED_FOR.get(killer, ""),
            )
        if code != 0 or not self._answer:
            # A defect: its traceback is already on stderr.
            raise MachineError(f"stage {self._name} failed (exit {code})")
        result: dict[str, Any] = json.loads(self._answer)
        if "error" in result:
            kind = getattr(errors, result["error"], KraftError)
            error = kind(result["problem"], result["remedy"])
            errors.add_notes(error, result["notes"])
            raise error
        result["peak_bytes"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return result


class StageHere:
    """A stage in the job's own process, for an engine that computes in processes of its own; else as `RunningStage`.

    It runs when its result is asked for.

    Args:
        stage: the function to call, as "package.module:function".
        arguments: its argument. None: it waits for `begin`.
    """

    def __init__(self, stage: str, arguments: dict[str, Any] | None = None) -> None:
        self._stage, self._arguments = stage, arguments

    def begin(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left behind."""

    def wait_for(self, news: str) -> bool:  # noqa: ARG002 - as `Running`
        """Nothing is told before the end."""
        return False

    def result(self) -> dict[str, Any]:
        """Run the stage.

        Returns:
            The function's result with `peak_bytes` of this process and the `seconds` that it took.

        Raises:
            KraftError: as the stage raises it.
        """
        started = time.monotonic()
        module, function = self._stage.split(":")
        stage: Stage = getattr(importlib.import_module(module), function)
        assert self._arguments is not None  # noqa: S101 - nobody asks for the result of what was not begun
        result = stage(self._arguments)
        return result | {"seconds": time.monotonic() - started, "peak_bytes": peak_bytes()}


def tell(news: str) -> None:
    """From within a stage: let the job know of ``news`` before the end (`RunningStage.wait_for`)."""
    print(_telling(news), end="", flush=True)


def _telling(news: str) -> str:
    return json.dumps({"news": news}) + "\n"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep SIGINT waiting for a moment: a process that is started meanwhile never gets one, this one gets it later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_the_job() -> None:
    """Wait for the end of stdin, in a thread of its own."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


class _WithoutPandas(PathFinder):
    """Finds what is installed, but for pandas: no stage has a use for it.

    pyarrow would load it at the first array that becomes NumPy's or is made of one: 55 MiB and 0.3 s of each process.
    None in `sys.modules`, as for LightGBM (`kraft.models.trees`), pyarrow takes for the package.
    """

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if fullname == "pandas" else super().find_spec(fullname, path, target)


def _main() -> None:
    """The other side: one stage, its arguments on stdin, its result as the last line of stdout."""
    module, function = sys.argv[1].split(":")
    sys.meta_path = [_WithoutPandas if finder is PathFinder else finder for finder in sys.meta_path]
    stage: Stage = getattr(importlib.import_module(module), function)
    asked = sys.stdin.readline()
    if not asked:
        # The job ended before it needed this stage.
        return
    told = json.loads(asked)
    threading.Thread(target=_end_with_the_job, daemon=True).start()
    try:
        result = stage(told["arguments"])
    except Exception as error:
        known = explained(error, during=f"stage {module}")
        if known is None:
            raise
        told_error = {"error": type(known).__name__, "problem": known.problem, "remedy": known.remedy}
        result = told_error | {"notes": errors.notes_of(known)}
    # Taken here: a parent may come for the result long after the end.
    print(json.dumps(result | {"seconds": time.monotonic() - told["begun"]}), flush=True)
    sys.stderr.flush()
    # All that is written is closed: the interpreter would take 0.1 s to let go of its libraries.
    os._exit(0)


if __name__ == "__main__":
    _main()
