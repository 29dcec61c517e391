"""Where a page goes, and the pictures of its plots."""

from pathlib import Path
from typing import Literal

from kraft.errors import InputError

Format = Literal["html", "json", "markdown"]
ENDINGS: dict[Format, str] = {"html": "html", "json": "json", "markdown": "md"}
FIGURES = "figures"
"""Folder beside a page for its plots as pictures."""


def check_place(option: str, page: Path) -> None:
    """Refuse a place for a page before any work is done for it.

    Args:
        option: the option that names it, for the message.
        page: the file to write.

    Raises:
        InputError: a folder of this name is there, or will be: that of the pictures.
    """
    if page.is_dir():
        raise InputError(f"{option} {page}: a folder of this name is in the way", "Give a file name.")
    if page.name == FIGURES:
        raise InputError(f"{option} {page}: the pictures beside it go to a folder of this name", "Give another name.")
