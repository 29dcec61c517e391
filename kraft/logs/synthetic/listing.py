"""Which files of a folder are synthetic: only those may be replaced."""

import json
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from kraft.errors import InputError

LISTING: Final = "synthetic.json"
"""Lies beside the files. Size [bytes] and time of change [ns] of each; null while it is being made."""
Stamp = tuple[int, int]
_LISTED: Final = TypeAdapter(dict[str, Stamp | None])


def refuse_others(folder: Path, names: Iterable[str], given: Collection[Path]) -> None:
    """Refuse to replace a file that is not synthetic, such as one of KuaiRec's own.

    Args:
        folder: that files are to be written to.
        names: of the files.
        given: side tables, which may lie in the very folder: what is taken as it is, is not replaced.

    Raises:
        InputError: one of the names is that of another file; also a synthetic one that was changed since.
    """
    listed = _read(folder)
    for name in names:
        path = folder / name
        if not os.path.lexists(path) or any(path.exists() and path.samefile(one) for one in given):
            continue
        if path.is_symlink() or name not in listed or listed[name] not in (None, _stamp(path)):
            raise InputError(
                f"{path} is there, and is not as jobs.synthesize has made it",
                "Give another folder with --to, or remove that file. Nothing was written.",
            )


def begin(folder: Path, names: Iterable[str]) -> None:
    """Enter what is going to be written: what dies on the way leaves files that the next run may replace."""
    _write(folder, _read(folder) | dict.fromkeys(names))


def end(folder: Path, names: Iterable[str]) -> None:
    """Enter what was written."""
    _write(folder, _read(folder) | {name: _stamp(folder / name) for name in names})


def _read(folder: Path) -> dict[str, Stamp | None]:
    with suppress(FileNotFoundError, ValidationError):
        return _LISTED.validate_json((folder / LISTING).read_bytes())
    return {}


def _write(folder: Path, listed: dict[str, Stamp | None]) -> None:
    draft = folder / f".{LISTING}.part"
    draft.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / LISTING)


def _stamp(path: Path) -> Stamp:
    state = path.lstat()
    return state.st_size, state.st_mtime_ns
