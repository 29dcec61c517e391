"""Files that appear whole or not at all, and a disk's faults told as errors."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kraft.errors import MachineError

SPARE_BYTES = 64 * 1024 * 1024
"""Free space that a job leaves on the disk, for its own small files and for everybody else's."""


def mebibytes(size: int) -> str:
    """``size`` bytes as people read them: ``"411.9 MiB"``."""
    return f"{size / 1024**2:,.1f} MiB"


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Check that ``needed`` bytes fit into ``folder``'s disk, and `SPARE_BYTES` beside them.

    Raises:
        MachineError: they do not fit; says how much is missing.
    """
    free = shutil.disk_usage(folder).free
    wanted = needed + SPARE_BYTES
    if free < wanted:
        raise MachineError(
            f"{folder}: {purpose} needs {mebibytes(wanted)} of disk, {mebibytes(free)} are free",
            f"Free {mebibytes(wanted - free)} or choose a folder on another disk with --to.",
        )


def publish(temporary: Path, target: Path) -> None:
    """Give a finished file its name. Both paths are on one disk, so that readers see no half of it."""
    # A rename may reach the disk before the bytes do; after a power cut the name would stand over zeros.
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def publish_text(text: str, target: Path) -> None:
    """Write a small file, whole or not at all."""
    temporary = target.with_name(f".{target.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    publish(temporary, target)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Tell every ``OSError`` inside (no space, no permission, a broken disk) as a `MachineError`."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise MachineError(
            f"{where}{error.strerror or error}",
            "Whatever is complete is kept; put the disk right and repeat the command.",
        ) from error
