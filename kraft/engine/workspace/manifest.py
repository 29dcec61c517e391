"""The record of a work folder: what each table and model was made of, and what its files must look like.

It carries its own hash: a manifest that was cut short or edited is refused.
"""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kraft.errors import InputError

FORMAT: Final = 3
FILE: Final = "manifest.json"
Entry = dict[str, Any]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
"""Names of tables and models: they become names of files and of views."""
_NEEDED: Final = {"path", "size", "stamp", "digest", "fingerprint"}
_DELETE: Final = "Delete it; the next job rebuilds what it needs."


class Manifest:
    """manifest.json of one folder; read again whenever another process has replaced it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._entries: dict[str, Entry] = {}

    def entries(self) -> dict[str, Entry]:
        """Entries by name; empty if there is no manifest, or one of another format.

        Raises:
            InputError: it is damaged, or was not written by KRAFT.
        """
        try:
            state = self._path.stat()
            seen = (state.st_ino, state.st_size, state.st_mtime_ns)
            if seen != self._seen:
                self._entries = self._read()
                self._seen = seen
        except FileNotFoundError:
            return {}
        return dict(self._entries)

    def _read(self) -> dict[str, Entry]:
        try:
            content = json.loads(self._path.read_bytes())
        except ValueError:
            raise InputError(f"{self._path}: not valid JSON", _DELETE) from None
        try:
            if content.get("format") != FORMAT:
                return {}
            entries: dict[str, Entry] = content["entries"]
            whole = all(_NAME.fullmatch(name) and set(entry) >= _NEEDED for name, entry in entries.items())
        except (AttributeError, KeyError, TypeError):
            whole = False
        if not whole:
            raise InputError(f"{self._path}: not a manifest of KRAFT's", _DELETE)
        if content.get("sha256") != _hash(entries):
            raise InputError(f"{self._path}: its hash is not that of its entries: they were changed by hand", _DELETE)
        return entries

    def change(
        self,
        change: Callable[[dict[str, Entry]], object],
        replace: Callable[[Path, Callable[[Path], object]], None],
    ) -> None:
        """Let ``change`` alter the entries, and ``replace`` (path, function that writes a draft) publish the result.

        One process at a time: stages that run at the same time do not overwrite each other's entries.
        """
        with locked(self._path.parent):
            entries = self.entries()
            change(entries)
            ordered = dict(sorted(entries.items()))
            content = {"format": FORMAT, "sha256": _hash(ordered), "entries": ordered}
            text = json.dumps(content, indent=1)
            replace(self._path, lambda path: path.write_text(text, encoding="utf-8"))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time in ``folder``, for a moment; the kernel frees the lock of a process that dies."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def stamp(path: Path) -> str:
    """What tells changed files apart: a table's time of change, a model's hash. To hash gigabytes of tables would cost
    each job seconds at its start.
    """
    if not path.is_dir():
        return f"mtime {path.stat().st_mtime_ns}"
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return f"sha256 {digest.hexdigest()}"


def size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; -1 where there is none."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size if path.exists() else -1


def _hash(entries: Mapping[str, Entry]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
