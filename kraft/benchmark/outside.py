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

from kraft.benchmark.following import Follower
from kraft.engine.budget import mib
from kraft.engine.isolation import ENVIRONMENT
from kraft.errors import MachineError

LAUNCHER = Path(__file__).with_name("launcher.py")
ROOT = Path(__file__).parents[2]
SHOWN_LINES = 15
SHARED = ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")
"""What KRAFT sets for its stages and every measured process gets: how it allocates memory is its own business."""


class Measured(NamedTuple):
    """One run of a command."""

    seconds: float
    """From start to end, as a clock on the wall shows it."""
    cpu_seconds: float
    """Of all its processes, user and system."""
    peak_bytes: int
    """Resident memory of its largest process at its largest."""
    code: int
    """Exit code; below 0, the signal that killed it."""
    stdout: str
    stderr: str
    followed: Follower | None = None
    """What was seen of all its processes, where it was followed."""

    def figures(self) -> dict[str, Any]:
        """What a report keeps of it."""
        return {
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "peak_mib": round(self.peak_bytes / 1024**2, 1),
        }

    def answer(self) -> dict[str, Any]:
        """The last line of stdout as JSON: how the benchmark's own processes report."""
        told: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return told


def environment(threads: int) -> dict[str, str]:
    """The environment of every measured process, the same for KRAFT and for what it is measured against.

    Python may keep what it compiles: packages that pip installed are compiled, and so is KRAFT after its first run.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    shared = {name: ENVIRONMENT[name] for name in SHARED}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **shared, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths)}


def measure(
    command: Sequence[str],
    *,
    threads: int,
    folder: Path,
    check: bool = True,
    follow: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Measured:
    """Run ``command`` and wait for it.

    Args:
        command: a program and its arguments.
        threads: for `environment`.
        folder: where it runs; a folder without a kraft.toml, which would change its settings.
        check: whether a command that fails is an error.
        follow: whether to look at all its processes as they run, those that nobody waits for too.
        variables: further ones of its environment.

    Raises:
        MachineError: ``check``, and the command failed; with the last lines it wrote to stderr.
    """
    with TemporaryDirectory() as scratch:
        counted = Path(scratch, "counted.json")
        process = subprocess.Popen(
            # -I -S: without site-packages the launcher is 9 MiB.
            [sys.executable, "-I", "-S", str(LAUNCHER), str(counted), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(threads), **(variables or {})},
            cwd=folder,
            text=True,
            start_new_session=True,
        )
        follower = Follower(process.pid) if follow else None
        try:
            with follower or nullcontext():
                stdout, stderr = process.communicate()
        except BaseException:
            # The whole group: the command, and the stages that it runs.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        if process.returncode != 0:
            raise MachineError(f"cannot run {command[0]}: {stderr.strip().splitlines()[-1]}")
        told = json.loads(counted.read_text(encoding="utf-8"))
        run = Measured(**told, stdout=stdout, stderr=stderr, followed=follower)
    if check and run.code != 0:
        last = "\n".join((run.stderr or run.stdout).strip().splitlines()[-SHOWN_LINES:])
        raise MachineError(
            f"{' '.join(command[1:])} failed (exit {run.code}) after {run.seconds:.1f} s at {mib(run.peak_bytes)}:\n"
            f"{last}"
        )
    return run


def module(name: str, *arguments: str | Path | float) -> list[str]:
    """The command `python -m NAME ARGUMENTS...`, with this very Python."""
    return [sys.executable, "-m", name, *map(str, arguments)]
