"""What every benchmark is given: raw data, a folder to work in, and the limits that KRAFT runs under."""

import importlib.metadata
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kraft.benchmark import outside
from kraft.benchmark.report import LIBRARIES
from kraft.data.places import find_folder
from kraft.engine.isolation import run_stage
from kraft.engine.progress import Progress
from kraft.errors import InputError
from kraft.settings import Settings

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

    def options(self, work: Path, **changed: object) -> list[str]:
        """Command-line options of a KRAFT job that works in ``work``; ``changed`` replaces or adds some."""
        options = {
            "raw": self.raw,
            "matrix": self.matrix,
            "work": work,
            "memory_limit": f"{self.memory_limit}B",
            "threads": self.threads,
            # What is compared is the documented pipeline.
            "preset": "seed",
            **changed,
        }
        words = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items() if value is not None]
        return ["--quiet", *(word for pair in words for word in pair)]

    def settings(self, work: Path, preset: str) -> Settings:
        """Settings of KRAFT's stages over this data in ``work``, for what a benchmark runs without a job."""
        return Settings.model_validate(
            {"raw": self.raw, "work": work, "matrix": self.matrix, "preset": preset, "threads": self.threads}
            | {"memory_limit": self.memory_limit, "quiet": True}
        )

    def measure(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        check: bool = True,
        follow: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> outside.Measured:
        """`warm`, then run ``command`` and measure it: `outside.measure`, on `threads` and in ``folder``.

        Args:
            command: a program and its arguments.
            folder: where it runs. Default: that of the benchmark.
            check: whether a command that fails is an error.
            follow: whether to look at all its processes as they run.
            variables: further ones of its environment.

        Raises:
            MachineError: ``check``, and the command failed.
        """
        self.warm()
        where = folder or self.folder
        return outside.measure(
            command, threads=self.threads, folder=where, check=check, follow=follow, variables=variables
        )

    def warm(self) -> None:
        """Write out what the run before left to be written, and read the log, the side tables and the libraries, so
        that no run pays for another. Some systems put out what nobody read for a minute, which is shorter than a run
        of the other side, and reading one library back took eight seconds.
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


def raw_folder(raw: Path | None, twin: Path, progress: Progress) -> Path:
    """The folder with KuaiRec's files: ``raw``, or a full-size twin that is made in ``twin`` once.

    Raises:
        InputError: ``raw`` does not hold them.
    """
    if raw is not None:
        found = find_folder(raw)
        if found is None:
            raise InputError(
                f"--raw {raw}: user_features.csv (or .parquet) is not in it",
                "Give the folder with KuaiRec's files, or leave --raw out to measure on a synthetic twin.",
            )
        return found.resolve()
    if find_folder(twin) is None:
        progress.say(f"making a synthetic twin of KuaiRec at its full size in {twin}")
        draft = twin.with_name(f"{twin.name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.parent.mkdir(parents=True, exist_ok=True)
        # In a process of its own: what it takes must not stand in the way of the measured ones.
        run_stage("kraft.data.twin:make_stage", {"to": str(draft), "verbosity": progress.verbosity})
        draft.rename(twin)
    found = find_folder(twin)
    assert found is not None  # noqa: S101 - it has just been made
    return found.resolve()
