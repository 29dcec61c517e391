"""Where a file may be written: links are followed, and only regular files are replaced."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from kraft.errors import InputError

_ELSEWHERE: Final = "Give another path."
_KINDS: Final = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def resolved_path(name: str, path: Path, *, folder: bool = False) -> Path:
    """Where a file is written that is named ``path``: what a link leads to, there or not.

    Args:
        name: for messages, the option and the path.
        path: of the file, or with ``folder`` of a folder.
        folder: whether files are written into it.

    Raises:
        InputError: a link leads to itself, part of the path is not a folder, a folder (or none) is there, or something
            that is not a regular file.
    """
    try:
        target = path.resolve()
    except RuntimeError:
        raise InputError(f"{name}: a link that leads to itself", _ELSEWHERE) from None
    above = next(one for one in target.parents if os.path.lexists(one))
    if not above.is_dir():
        raise InputError(f"{name}: {above} is not a folder", _ELSEWHERE)
    try:
        # A file is written under a longer name first (`kraft.engine.workspace.locks.held_draft`).
        for one in (target, target.with_name(f".{target.name}.{os.getpid()}.part")):
            with suppress(FileNotFoundError):
                one.lstat()
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}", _ELSEWHERE) from None
    if not folder:
        refuse_special(name, target)
    elif os.path.lexists(target) and not target.is_dir():
        raise InputError(f"{name}: not a folder", "Name a folder, which may be new.")
    return target


def refuse_special(name: str, target: Path) -> None:
    """Refuse to overwrite what a file would not replace but destroy.

    Raises:
        InputError: a folder, a pipe, a socket or a device is there.
    """
    if not os.path.lexists(target):
        return
    mode = target.lstat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{name}: a folder of this name is in the way", "Give a file name.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{name}: {_KINDS.get(stat.S_IFMT(mode), 'something')} is there, not a file", _ELSEWHERE)
