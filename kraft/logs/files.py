"""Where KuaiRec's raw files are found. Apart from their contracts: a job looks for them without loading DuckDB."""

from pathlib import Path

from kraft.engine.sql.file_kinds import is_packed, remedy
from kraft.errors import InputError

USERS_STEM = "user_features"
"""The file by which the folder is known."""
STEMS = (
    "small_matrix",
    "big_matrix",
    USERS_STEM,
    "item_categories",
    "social_network",
    "item_daily_features",
    "kuairec_caption_category",
)
"""Of all seven files."""
PLACES = (".", "KuaiRec 2.0/data", "KuaiRec/data")
"""Where below --raw the files may be: the folder itself, or as KuaiRec.zip unpacks."""
KINDS = ("parquet", "csv")
"""What a file's name ends in; the first is the faster one to read."""


def find_folder(raw: Path) -> Path | None:
    """The folder at or below ``raw`` that holds user_features, or None."""
    return next((raw / place for place in PLACES if find_file(raw / place, USERS_STEM)), None)


def find_file(folder: Path, stem: str) -> Path | None:
    """The Parquet or CSV file of this name; where both are there the newer one, Parquet where neither is."""
    found = [path for kind in KINDS if (path := folder / f"{stem}.{kind}").is_file()]
    return max(found, key=_changed, default=None)


def unread(folder: Path, stem: str) -> list[str]:
    """What stands beside the file of this name that is read, or in its place, and is not read: a line each, with the
    reason.

    Of what has to be unpacked, or is a folder, only what is newer than the file that is read.
    """
    read = find_file(folder, stem)
    lines = []
    for path in _alike(folder, stem):
        if path == read:
            continue
        if read and path.is_file() and path.name in {f"{stem}.{kind}" for kind in KINDS}:
            age = "older than" if _changed(path) < _changed(read) else "as old as"
            lines.append(f"{path.name}: it is {age} {read.name}")
        elif (path.is_dir() or is_packed(path)) and (read is None or _changed(path) > _changed(read)):
            reason = f"it is newer than {read.name}. " if read else ""
            lines.append(f"{path.name}: {reason}{remedy(path)}")
    return lines


def missing(problem: str, folder: Path, stem: str, otherwise: str) -> InputError:
    """The error for a file that is not there, which names what is there in its place.

    Args:
        problem: what is not there.
        folder: where it should be.
        stem: its name without its ending.
        otherwise: the remedy where there is nothing like it.
    """
    there = _alike(folder, stem)
    if not there:
        return InputError(problem, otherwise)
    return InputError(f"{problem}, but {there[0].name}{'/' if there[0].is_dir() else ''} is", remedy(there[0]))


def _alike(folder: Path, stem: str) -> list[Path]:
    """What is called ``stem``, whatever it ends in; sorted by name."""
    if not folder.is_dir():
        return []
    names = [(path.name.casefold(), path) for path in folder.iterdir()]
    wanted = stem.casefold()
    return sorted(path for name, path in names if name == wanted or name.startswith(f"{wanted}."))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
