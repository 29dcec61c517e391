"""Locks of folders. The kernel frees a lock when its holder dies.

A job locks its work folder and passes the lock to its stages: it is free when the last of them has ended. Every folder
of half-written files is locked by its writer, too. `sweep` removes those that nobody locks: their writers died.
"""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from kraft.engine.process.progress import Progress
from kraft.errors import MachineError

LOCK = "lock"
"""File of a work folder: locked while a job runs, and says which."""


@contextmanager
def acquire_lock(folder: Path, progress: Progress, *, wait: bool = True) -> Iterator[int]:
    """The lock of the work folder ``folder``, as the number of an open file that stages may inherit.

    Args:
        folder: exists.
        progress: told who holds it, while this job waits.
        wait: for another job to end; otherwise its lock is an error.

    Raises:
        MachineError: another job holds it and ``wait`` is off, or the file cannot be written.
    """
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MachineError(f"{folder / LOCK}: {error.strerror}", "Choose a --work folder you may write to.") from None
    try:
        if not _taken(lock):
            holder = _holder(lock)
            if not wait:
                raise MachineError(
                    f"{folder} is in use by {holder}", "Wait for its end, leave out --no-wait, or give another --work."
                )
            progress.say(f"waiting: {folder} is in use by {holder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        _write(lock, {"pid": os.getpid(), "command": _command(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"})  # noqa: DTZ005 - the clock on the wall
        try:
            yield lock
        finally:
            _write(lock, None)
    finally:
        # It stays locked as long as a stage has it.
        os.close(lock)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(lock: int, holder: dict[str, object] | None) -> None:
    # If the disk is full, the lock holds without a name.
    with suppress(OSError):
        os.ftruncate(lock, 0)
        if holder:
            os.pwrite(lock, json.dumps(holder).encode(), 0)


def _holder(lock: int) -> str:
    """Who wrote into the lock last, for people."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(os.pread(lock, 4096, 0))
        return f"`{told['command']}` (process {int(told['pid'])}, since {told['since']})"
    return "another job"


def _command() -> str:
    """How this process was started, as it is typed."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    words = ["python -m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return " ".join([*words, *sys.argv[1:]])[:200]


@contextmanager
def held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder below ``parent``, removed at the end; `sweep` leaves it alone until then.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        folder = Path(mkdtemp(prefix=prefix, dir=parent))
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # A sweep may have removed it before the lock.
        if folder.exists():
            break
        os.close(handle)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove the folders in ``parent`` that `held_folder` made for processes that are dead."""
    for folder in parent.iterdir():
        # Not a folder, or already gone.
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if _taken(handle):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


@contextmanager
def held_draft(path: Path) -> Iterator[Path]:
    """An empty file beside ``path`` to be filled and renamed to it, removed at the end if it is still there.

    Drafts of the same file that dead processes left are removed.

    Raises:
        OSError: it cannot be made.
    """
    before, after = f".{path.name}.", ".part"
    for other in path.parent.iterdir():
        if other.name.startswith(before) and other.name.endswith(after):
            with suppress(OSError):
                handle = os.open(other, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    if _taken(handle):
                        other.unlink(missing_ok=True)
                finally:
                    os.close(handle)
    draft = path.with_name(f"{before}{os.getpid()}{after}")
    # The writer would follow a link of that name.
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield draft
    finally:
        draft.unlink(missing_ok=True)
        os.close(handle)
