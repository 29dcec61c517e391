"""The files that a build reads, and files beside them that it does not read: for the summary of a job."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from kraft.logs.files import unread
from kraft.settings import Settings

if TYPE_CHECKING:
    from kraft.engine.sql.sources import Source


class ReadFiles(TypedDict):
    """The raw files of a build."""

    logs: list[str]
    """Names of the logs; paths, where they are in another folder."""
    sides: list[str]
    """Names of the other required files."""
    optional: int
    """How many more are read."""
    folder: str
    """Where they are."""
    unread: list[str]
    """A line for each file that stands beside or in place of one of them, and is not read."""


def read_files(
    settings: Settings,
    logs: Collection["Source"],
    inputs: Mapping[str, "Source"],
    extras: Mapping[str, "Source"],
    readers: Collection[str],
) -> ReadFiles:
    """The files of a build.

    Args:
        settings: of the job.
        logs: the sources of the log, or of both where the protocol has two.
        inputs: the other required files, by logical name.
        extras: the optional ones.
        readers: of the logical names, those that a table is made of.
    """
    from kraft.engine.sql.sources import AbsentFile  # noqa: PLC0415 - the job, which needs the types above, has no DuckDB

    sides = [_path(source) for source in inputs.values()]
    folder = Path(sides[0]).parent
    # On Spark, copies of the files lie in the work folder.
    shown = settings.raw if isinstance(settings.raw, str) else str(folder)
    read = [_path(source) for source in logs]
    chosen = [name for name in ("small_matrix", "big_matrix") if any(_is(folder, name, path) for path in read)]
    stems = [*chosen, *(Path(side).stem for side in sides), *(name.removeprefix("raw_") for name in extras)]
    present = [name for name, source in extras.items() if name in readers and not isinstance(source, AbsentFile)]
    return ReadFiles(
        logs=[Path(path).name if Path(path).parent == folder else path for path in read],
        sides=[Path(side).name for side in sides],
        optional=len(present),
        folder=shown,
        unread=[line for stem in stems for line in unread(folder, stem)],
    )


def _path(source: "Source") -> str:
    """The path or the URL of a file; absent ones have none."""
    return str(getattr(source, "path", ""))


def _is(folder: Path, stem: str, path: str) -> bool:
    return Path(path).parent == folder and Path(path).stem == stem
