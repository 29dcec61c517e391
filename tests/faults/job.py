"""Starts the whole pipeline as a process group of its own, and looks at what it left."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from kraft.models.ranker.training import MODEL_FILE

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ROUNDS = 5
OUTPUTS = ("evaluation.json", "recommendations.parquet", "submission.parquet")


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(TESTS)))}


def make_synthetic(folder, users, items, seed):
    """Raw files in ``folder``, as they would be made by hand."""
    if not folder.is_dir():
        command = [sys.executable, "-m", "jobs.synthesize", "--quiet", "--to", folder]
        options = ("--users", users, "--items", items, "--seed", seed)
        subprocess.run([*command, *map(str, options)], env=environment(), check=True, stdout=subprocess.DEVNULL)


def trees(model):
    """The text of LightGBM's model file up to its parameters."""
    return model.read_text(encoding="utf-8").split("\nparameters:\n")[0]


class Job:
    """One run of `whole` over ``folder``/raw, with the work folder ``folder``/work."""

    def __init__(self, folder, *options, prefix=(), **popen):
        self.folder = folder
        (folder / "out").mkdir(parents=True, exist_ok=True)
        words = ["--raw", "raw", "--work", "work", "--out", "out", "--quiet", "--threads", "2", *options]
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "faults.whole", *map(str, words)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **popen,
        )

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def end(self, timeout=300):
        """Exit code, stdout and stderr, once it has ended."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def kill_group(self, signum=signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signum)

    def stages(self):
        """Process ids of its stages at work -> the name of the stage."""
        found = {}
        for pid in _members(self.pid):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"kraft.engine.process.worker" in words:
                    found[pid] = words[words.index(b"kraft.engine.process.worker") + 2].decode()
        return found

    def orphans(self, seconds):
        """Processes of its group that are still there after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (left := _members(self.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return left


def _members(group):
    """Living processes of a group."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError, ValueError):
                state, _, pgid = place.joinpath("stat").read_text().rpartition(")")[2].split()[:3]
                if int(pgid) == group and state not in "ZX":
                    found.append(int(place.name))
    return found


def hashes(folder):
    """What a run made: tables, models and outputs, by path, as hashes of their bytes."""
    work = folder / "work"
    files = [
        *(work / "tables").glob("*.parquet"),
        *(work / "fit" / "tables").glob("*.parquet"),
        *work.glob("models/*/*"),
        *work.glob("fit/models/*/*"),
        *(folder / "out" / name for name in OUTPUTS),
    ]
    # The models' records hold seconds.
    made = [path for path in files if path.parent == folder / "out" or path.suffix != ".json"]
    return {str(path.relative_to(folder)): digest(path) for path in made}


def digest(path):
    if not path.exists():
        return "missing"
    # LightGBM writes the number of threads below the trees.
    content = trees(path).encode() if path.name == MODEL_FILE else path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def leftovers(folder):
    """Files that a finished job has no use for."""
    work = folder / "work"
    found = [path for tmp in (work / "tmp", work / "fit" / "tmp") if tmp.is_dir() for path in tmp.iterdir()]
    found += [path for path in (folder / "out").iterdir() if path.name not in OUTPUTS]
    states = sorted(path.name for path in (work / "states").iterdir())
    # The current one, and the one before until the next job.
    found += [work / "states" / name for name in states[:-2]]
    return [str(path.relative_to(folder)) for path in found]


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
