"""Where a page goes, and the pictures of its plots."""

from pathlib import Path
from typing import Literal

Format = Literal["html", "json", "markdown"]
ENDINGS: dict[Format, str] = {"html": "html", "json": "json", "markdown": "md"}
FIGURES = "figures"
"""Folder beside a page for its plots as pictures."""


def beside(page: Path) -> dict[str, Path]:
    """What is written with a page, as `jobs._paths` asks for it: the folder of its pictures."""
    return {"the pictures' folder/": page.parent / FIGURES}
