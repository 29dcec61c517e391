"""Runs a stage in its own process, so that nothing one stage loads adds to the peak of the next.

Arguments and results cross as JSON, never as pickle, and only here. A stage ends with its job: Ctrl-C reaches the job,
which kills the stage. If the job is killed, the stage sees the end of its stdin and kills itself.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from kraft import errors
from kraft.engine.process.hidden_packages import hide
from kraft.engine.process.memory import peak_bytes
from kraft.engine.process.os_errors import explained
from kraft.engine.process.stage import A, Measured, P, R, Stage
from kraft.errors import KraftError, MachineError
from kraft.settings import MIB

if TYPE_CHECKING:
    import resource

ENVIRONMENT = {
    # Waiting threads sleep. Beside another busy process on 2 cores, spinning threads took 316 s instead of 8.5 s.
    "OMP_WAIT_POLICY": "passive",
    # The stages already run threads over blocks.
    "OPENBLAS_NUM_THREADS": "1",
    # Two arenas of glibc's malloc instead of eight a core: freed memory is reused.
    "MALLOC_ARENA_MAX": "2",
    # Keep up to 512 MiB of freed blocks: batches come and go, and page faults would cost time. Peaks stay the same.
    "MALLOC_MMAP_THRESHOLD_": str(64 * MIB),
    "MALLOC_TRIM_THRESHOLD_": str(512 * MIB),
}
"""Environment variables of a stage, unless the user set them."""

KILLED_FOR: Final = {
    signal.SIGKILL: "If the kernel did that because memory ran out, lower --memory-limit.",
    signal.SIGBUS: "A mapped file could not grow, or was cut short: free some disk space.",
}
"""Signal -> its likely reason, and what to do."""


def run(stage: Stage[A, P, R], arguments: A, *, lock: int | None = None) -> Measured[R]:
    """Run ``stage`` in a new process, and wait for it.

    Args:
        stage: the stage.
        arguments: its arguments.
        lock: an open file that this process has locked (`locks.acquire_lock`); it stays locked until the stage ends.

    Returns:
        Its result, the seconds from start to end, and the peak of its process.

    Raises:
        KraftError: as the stage raised it.
        MachineError: the process was killed, for example by the kernel because memory ran out.
    """
    started = time.monotonic()
    answer, usage = _answer_of(stage.module, stage.name, stage.environment, arguments.model_dump_json(), lock)
    result = stage.result.model_validate(answer)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(result, time.monotonic() - started, peak)


def _answer_of(
    module: str, name: str, environment: Mapping[str, str], arguments: str, lock: int | None
) -> "tuple[dict[str, Any], resource.struct_rusage]":
    """What the process of a stage prints last, and what it used."""
    with _interrupts_held():
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, module, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**ENVIRONMENT, **environment, **os.environ},
            text=True,
            pass_fds=() if lock is None else (lock,),
        )
    assert process.stdin is not None  # noqa: S101 - a PIPE was asked for
    assert process.stdout is not None  # noqa: S101
    last = ""
    try:
        # If the process died at once, it reads nothing; the code below tells how it ended.
        with suppress(BrokenPipeError):
            process.stdin.write(arguments + "\n")
            process.stdin.flush()
        for line in process.stdout:
            last = line
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
        process.stdout.close()
        with suppress(BrokenPipeError):
            process.stdin.close()
    if process.returncode < 0:
        killer = signal.Signals(-process.returncode)
        raise MachineError(
            f"stage {name} was killed by {killer.name} at {usage.ru_maxrss / 1024:,.0f} MiB", KILLED_FOR.get(killer, "")
        )
    if process.returncode != 0 or not last:
        # A defect: its traceback is already on stderr.
        raise MachineError(f"stage {name} failed (exit {process.returncode})")
    answer: dict[str, Any] = json.loads(last)
    if "error" in answer:
        kind = getattr(errors, answer["error"], KraftError)
        error = kind(answer["problem"], answer["remedy"])
        errors.add_notes(error, answer["notes"])
        raise error
    return answer["result"], usage


def run_here(stage: Callable[[A], R], arguments: A) -> Measured[R]:
    """Run a stage in this process, for an engine that computes in processes of its own; returns as `run`."""
    started = time.monotonic()
    result = stage(arguments)
    return Measured(result, time.monotonic() - started, peak_bytes())


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay SIGINT: a process started in the block never gets one, this process gets it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_the_job() -> None:
    """Wait in a thread for the end of stdin."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    """The other side: one stage, its arguments as a line of JSON on stdin, its result as the last line of stdout."""
    module, name = sys.argv[1:]
    hide("pandas")
    stage: Stage[Any, ..., Any] = getattr(importlib.import_module(module), name)
    arguments = sys.stdin.readline()
    threading.Thread(target=_end_with_the_job, daemon=True).start()
    answer: dict[str, Any]
    try:
        answer = {"result": stage.answer(arguments)}
    except Exception as error:
        known = explained(error, during=f"stage {name}")
        if known is None:
            raise
        told = {"error": type(known).__name__, "problem": known.problem, "remedy": known.remedy}
        answer = told | {"notes": errors.notes_of(known)}
    print(json.dumps(answer), flush=True)
    sys.stderr.flush()
    # All that is written is closed: the interpreter would take 0.1 s to let go of its libraries.
    os._exit(0)


if __name__ == "__main__":
    _main()
