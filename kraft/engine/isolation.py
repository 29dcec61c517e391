"""Runs a stage in a process of its own, so that its memory is its own.

What one stage loaded or left behind (DuckDB's buffers, LightGBM's bins, imported libraries) can never add
to the peak of the next, and the limit is checked against what the kernel counted for that process alone.
Settings and results cross as JSON, never as pickle.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kraft import errors
from kraft.errors import KraftError, MachineError

Stage = Callable[[dict[str, Any]], dict[str, Any]]

ENVIRONMENT = {
    # Threads that wait go to sleep: with another busy process on 2 cores, spinning ones trained in 316 s
    # what sleeping ones trained in 8.5 s.
    "OMP_WAIT_POLICY": "passive",
    # The stages run their own threads over blocks; a BLAS that does so too would oversubscribe the cores.
    "OPENBLAS_NUM_THREADS": "1",
    # Two arenas of glibc's malloc instead of eight a core, and large blocks from and back to the system at once,
    # for Arrow too: together 40 MiB less at the peak of the ranker.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""What the libraries of a stage find in their environment, unless the user set it."""


def run_stage(stage: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call ``stage`` ("package.module:function") with ``arguments`` in a new process.

    Returns:
        The function's result with `peak_bytes` (of the process) and `seconds` added.

    Raises:
        KraftError: as the stage raised it.
        MachineError: the process was killed, for example by the kernel for want of memory.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, stage],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**ENVIRONMENT, **os.environ},
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 - a PIPE was asked for
    assert process.stdout is not None  # noqa: S101
    try:
        # A process that died at once reads nothing; how it ended is told below.
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(arguments))
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise MachineError(
            f"stage {stage.split(':', maxsplit=1)[0]} was killed by {name} at {usage.ru_maxrss / 1024:,.0f} MiB",
            "Where that was the kernel for want of memory, lower --memory-limit.",
        )
    if process.returncode != 0 or not answer:
        # A defect: its traceback is already on stderr.
        raise MachineError(f"stage {stage.split(':', maxsplit=1)[0]} failed (exit {process.returncode})")
    result: dict[str, Any] = json.loads(answer.splitlines()[-1])
    if "error" in result:
        kind = getattr(errors, result["error"], KraftError)
        raise kind(result["problem"], result["remedy"])
    result["peak_bytes"] = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    result["seconds"] = time.monotonic() - started
    return result


def _main() -> None:
    """The other side: one stage, its arguments on stdin, its result as the last line of stdout."""
    module, function = sys.argv[1].split(":")
    arguments = json.load(sys.stdin)
    stage: Stage = getattr(importlib.import_module(module), function)
    try:
        result = stage(arguments)
    except KraftError as error:
        result = {"error": type(error).__name__, "problem": error.problem, "remedy": error.remedy}
    except KeyboardInterrupt:
        # Die of the signal itself, without a traceback: the parent reports it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    _main()
