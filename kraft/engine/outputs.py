"""Where a job is to write, held against what is there and what is read, before any work.

A file that is named as an output is replaced. Refused are an input, what KRAFT keeps in a work folder, what is not a
regular file, and one path named twice.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from kraft.engine.targets import resolved_path
from kraft.engine.workspace.snapshots import CATALOG, CURRENT, STATES, TABLES
from kraft.errors import InputError

OWN: Final = frozenset(
    {
        "manifest.json",
        "lock",
        STATES,
        CURRENT,
        TABLES,
        "draft",
        "models",
        "fit",
        "log",
        "observed",
        "tmp",
        "synthetic",
        "raw",
    }
)
"""What KRAFT keeps in a work folder, files and folders; and whatever is called like the catalog."""
BENCHMARK: Final = "benchmark"
"""Of the work folder that a job is given; a job that a benchmark runs writes into that of another one."""
TableFormat = Literal["parquet", "csv", "csv.gz", "csv.zst"]
_FORMATS: Final[Mapping[tuple[str, ...], TableFormat]] = {
    (): "parquet",
    (".parquet",): "parquet",
    (".csv",): "csv",
    (".csv", ".gz"): "csv.gz",
    (".csv", ".zst"): "csv.zst",
}
_ELSEWHERE: Final = "Give another path."
_NOTHING_LOST: Final = "Give another path. Nothing was overwritten."


@dataclass(frozen=True)
class Output:
    """A path that a job writes to."""

    option: str
    """That names it, for messages."""
    path: Path
    table: bool = False
    """Its ending says the format of rows (`table_format`)."""
    folder: bool = False
    """Files are written into it."""


def check_outputs(
    outputs: Sequence[Output], inputs: Iterable[tuple[str, Path]] = (), works: Iterable[tuple[str, Path]] = ()
) -> None:
    """Refuse paths that are not to be written to.

    Args:
        outputs: all that one call writes.
        inputs: option and path of all that it reads, or a later call would read; files, there or not.
        works: option and path of its work folders, there or not.

    Raises:
        InputError: see the module; also where the ending of a table's name says no format, where a part of the path is
            no folder, or where a link leads nowhere but to itself.
    """
    read, worked_in = list(inputs), list(works)
    earlier: list[tuple[Output, Path]] = []
    for output in outputs:
        name = f"{output.option} {output.path}"
        target = resolved_path(name, output.path, folder=output.folder)
        _refuse_input(name, target, read)
        _refuse_own(name, target, worked_in)
        for other, taken in earlier:
            if _same(target, taken):
                raise InputError(f"{name}: {other.option} names the same file", _ELSEWHERE)
        needed = [*worked_in, *((other.option, taken) for other, taken in earlier)]
        for option, path in needed:
            if not output.folder and target in (path.resolve(), *path.resolve().parents):
                raise InputError(f"{name}: {option} needs a folder of this name ({path})", _ELSEWHERE)
        for other, taken in earlier:
            if not other.folder and taken in target.parents:
                raise InputError(f"{name}: {other.option} makes a file of what has to be a folder here", _ELSEWHERE)
        earlier.append((output, target))
        if output.table:
            table_format(output.path, output.option)


def table_format(path: Path, option: str = "--out") -> TableFormat:
    """How rows are written to a file, by the ending of its name in either case; without one as Parquet.

    Raises:
        InputError: the ending is another one.

    >>> table_format(Path("scores.csv.gz")), table_format(Path("scores"))
    ('csv.gz', 'parquet')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = tuple(suffixes[-2:] if suffixes[-1:] in ([".gz"], [".zst"]) else suffixes[-1:])
    if ending not in _FORMATS:
        raise InputError(
            f"{option} {path}: the ending {''.join(ending)} is not one that KRAFT writes",
            "Give .parquet, .csv, .csv.gz or .csv.zst, or a name without an ending for Parquet.",
        )
    return _FORMATS[ending]


def _refuse_input(name: str, target: Path, inputs: Iterable[tuple[str, Path]]) -> None:
    for option, path in inputs:
        if _same(target, path):
            there = "is an input" if os.path.lexists(path) else "would be taken for an input"
            raise InputError(f"{name}: this {there} ({option})", _NOTHING_LOST)


def _refuse_own(name: str, target: Path, works: Iterable[tuple[str, Path]]) -> None:
    given = [(path.resolve(), OWN | {BENCHMARK}) for _, path in works]
    for folder, own in (*given, *((one, OWN) for one in _work_folders_above(target))):
        if target.is_relative_to(folder) and target != folder:
            first = target.relative_to(folder).parts[0]
            if first.casefold() in own or first.casefold().startswith(CATALOG):
                raise InputError(f"{name}: {folder / first} is KRAFT's own, in a work folder", _NOTHING_LOST)


def _work_folders_above(target: Path) -> Iterator[Path]:
    """Work folders of any job that ``target`` lies in."""
    return (one for one in target.parents if (one / STATES).is_dir() and (one / CURRENT).is_symlink())


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, by their names once links are followed, or as names of one thing on the disk."""
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except (OSError, RuntimeError):
        return False
