"""What every benchmark is given: raw data, a folder to work in, the limits, and how to run what is measured."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kraft.benchmark import runner
from kraft.benchmark.measure_process import Measured, measure
from kraft.benchmark.report import LIBRARIES, Runs
from kraft.engine.process import worker
from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError
from kraft.logs.files import find_folder
from kraft.stages.synthesize import Synthesize, synthesize_log

CHUNK = 1 << 24
LOADED = (*LIBRARIES, "polars-runtime-32", "pydantic-core", "scipy")
"""Packages whose files a measured process loads: those of `LIBRARIES`, and large ones that these load."""


@dataclass(frozen=True)
class Setup:
    """One call of the benchmark."""

    raw: Path
    """Absolute; the folder itself that holds KuaiRec's files."""
    folder: Path
    """Absolute; work folders of the measured runs are made in it and deleted again."""
    memory_limit: int
    """In bytes."""
    threads: int
    progress: Progress
    matrix: str = "small"
    """The interaction log."""

    def fresh(self, name: str) -> Path:
        """An empty folder; what a former run left there is deleted."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def settings(self, work: Path, **changed: object) -> dict[str, Any]:
        """Settings of KRAFT in ``work``, for JSON; ``changed`` replaces or adds some, None leaves one out."""
        chosen = {
            "raw": str(self.raw),
            "matrix": self.matrix,
            "work": str(work),
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            # What is compared is the documented pipeline.
            "preset": "documented",
            "quiet": True,
            **changed,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def options(self, work: Path, **changed: object) -> list[str]:
        """`settings` as command-line options of a job."""
        settings = self.settings(work, **changed, quiet=None)
        settings["memory_limit"] = f"{settings['memory_limit']}B"
        pairs = ((f"--{name.replace('_', '-')}", str(value)) for name, value in settings.items())
        return ["--quiet", *(word for pair in pairs for word in pair)]

    def measure(self, command: Sequence[str], *, folder: Path | None = None, **chosen: Any) -> Measured:  # noqa: ANN401
        """`warm`, then `measure_process.measure` in ``folder``, by default that of the benchmark, as ``chosen``."""
        self.warm()
        return measure(command, threads=self.threads, folder=folder or self.folder, **chosen)

    def job(self, name: str, *words: str | Path | float, work: Path, **changed: object) -> Measured:
        """Measure a command of KRAFT with `options`."""
        return self.measure(runner.module(name, *words, *self.options(work, **changed)))

    def turns(self, repeats: int, sides: Mapping[str, Callable[[], dict[str, Any]]]) -> Runs:
        """Run each side ``repeats`` times by turns; ``sides``: name -> what runs it once and returns its figures.

        Each begins in turn, so that a slow hour weighs on all alike.
        """
        runs: Runs = {side: [] for side in sides}
        names = list(sides)
        for number in range(repeats):
            first = number % len(names)
            for side in (*names[first:], *names[:first]):
                runs[side].append(sides[side]())
                self.progress.say(f"  {number + 1}/{repeats} {side:<18} {runs[side][-1]['seconds']:9.1f} s")
        return runs

    def warm(self) -> None:
        """Write out what the run before left, and read log, side tables and libraries: no run pays for another.

        Some systems drop from memory what nobody read for a minute. Reading one library back took eight seconds.
        """
        os.sync()
        for path in (*self._read(), *library_files()):
            with path.open("rb") as file:
                while file.read(CHUNK):
                    pass

    def _read(self) -> Iterator[Path]:
        for path in self.raw.iterdir():
            is_other_log = path.stem.endswith("_matrix") and path.stem != f"{self.matrix}_matrix"
            if path.is_file() and path.suffix in {".csv", ".parquet"} and not is_other_log:
                yield path


def library_files() -> Iterator[Path]:
    """What Python loads of the installed ones of `LOADED`: machine code and compiled modules."""
    for name in LOADED:
        with suppress(importlib.metadata.PackageNotFoundError):
            for file in importlib.metadata.files(name) or ():
                path = Path(str(file.locate()))
                if (".so" in path.suffixes or path.suffix == ".pyc") and path.is_file():
                    yield path


def ranker_record(work: Path, preset: str) -> dict[str, Any]:
    """What the ranker of a work folder says of its training; empty if there is none."""
    path = work / "models" / f"ranker_{preset}" / "ranker.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def synthesize(to: Path, **options: object) -> dict[str, Any]:
    """Make synthetic data in ``to``, in its own process; ``options``: of `jobs.synthesize`."""
    asked = Synthesize.model_validate({"to": to, "verbosity": QUIET, **options})
    return worker.run(synthesize_log, asked).result.model_dump()


def raw_folder(raw: Path | None, synthetic: Path, progress: Progress) -> Path:
    """The folder with KuaiRec's files: ``raw``, or synthetic ones of full size, made once in ``synthetic``.

    Raises:
        InputError: ``raw`` does not hold them.
    """
    if raw is None and find_folder(synthetic) is None:
        progress.say(f"making synthetic data of KuaiRec's full size in {synthetic}")
        draft = synthetic.with_name(f"{synthetic.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        synthesize(draft, verbosity=progress.verbosity)
        draft.rename(synthetic)
    found = find_folder(synthetic if raw is None else raw)
    if found is None:
        raise InputError(
            f"--raw {raw}: user_features.csv (or .parquet) is not in it",
            "Give the folder with KuaiRec's files, or leave --raw out to measure on synthetic data.",
        )
    return found.resolve()
