"""Runs a command and measures it from outside: seconds, CPU seconds, peak memory of its largest process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from kraft.benchmark.process_monitor import ProcessMonitor
from kraft.benchmark.run_stages import SHARED
from kraft.engine.process.memory import mib
from kraft.errors import MachineError
from kraft.settings import MIB

LAUNCHER = Path(__file__).with_name("launcher.py")
ROOT = Path(__file__).parents[2]
SHOWN_LINES = 15


class Measured(NamedTuple):
    """One run of a command."""

    seconds: float
    """Wall clock, from start to end."""
    cpu_seconds: float
    """Of all its processes, user and system."""
    peak_bytes: int
    """Peak resident memory of its largest process."""
    code: int
    """Exit code; below 0, the signal that killed it."""
    stdout: str
    stderr: str
    monitor: ProcessMonitor | None = None
    """What was seen of all its processes, where they were monitored."""

    def figures(self) -> dict[str, Any]:
        """What a report keeps of it."""
        figures = {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}
        return {**figures, "peak_mib": round(self.peak_bytes / MIB, 1)}

    def answer(self) -> dict[str, Any]:
        """The last line of stdout, JSON: the result of a function that `runner` ran."""
        told: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return told

    def error(self) -> str:
        """The last line of stderr (or stdout) that is not indented: the error, without its remedy."""
        lines = [line for line in (self.stderr or self.stdout).splitlines() if line[:1].strip()]
        return lines[-1] if lines else f"exit {self.code}"


def environment(threads: int) -> dict[str, str]:
    """The environment of every measured process, the same for KRAFT and its opponents.

    Python may keep what it compiles: installed packages are compiled, and so is KRAFT after its first run.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **SHARED, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths)}


def measure(
    command: Sequence[str],
    *,
    threads: int,
    folder: Path,
    check: bool = True,
    monitor: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Measured:
    """Run ``command`` and wait for it.

    Args:
        command: a program and its arguments, run with `environment` of ``threads`` and ``variables``.
        folder: where it runs; a folder without a kraft.toml, which would change its settings.
        check: whether a command that fails is an error.
        monitor: whether to look at all its processes as they run, also those that nobody waits for.

    Raises:
        MachineError: ``check``, and the command failed; with the last lines of its stderr.
    """
    with TemporaryDirectory() as scratch:
        counted = Path(scratch, "counted.json")
        process = subprocess.Popen(
            # -I -S: without site-packages the launcher takes 9 MiB.
            [sys.executable, "-I", "-S", str(LAUNCHER), str(counted), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(threads), **(variables or {})},
            cwd=folder,
            text=True,
            start_new_session=True,
        )
        watch = ProcessMonitor(process.pid) if monitor else None
        try:
            with watch or nullcontext():
                stdout, stderr = process.communicate()
        except BaseException:
            # The whole group: the command, and the stages that it runs.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        if process.returncode != 0:
            raise MachineError(f"cannot run {command[0]}: {stderr.strip().splitlines()[-1]}")
        told = json.loads(counted.read_text(encoding="utf-8"))
        run = Measured(**told, stdout=stdout, stderr=stderr, monitor=watch)
    if check and run.code != 0:
        last = "\n".join((run.stderr or run.stdout).strip().splitlines()[-SHOWN_LINES:])
        failed = f"{' '.join(command[1:])} failed (exit {run.code}) after {run.seconds:.1f} s at {mib(run.peak_bytes)}"
        raise MachineError(f"{failed}:\n{last}")
    return run
