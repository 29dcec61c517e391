"""What a file is by its first bytes, whatever its name says; and what to do with one that cannot be read as it is."""

import shlex
from pathlib import Path
from typing import Final, NamedTuple

from kraft.engine.paths import literal
from kraft.errors import InputError

LOOKED_AT: Final = 4096
"""Bytes that tell text from anything else."""
_PARQUET: Final = b"PAR1"


class Kind(NamedTuple):
    """A kind of file that is not read."""

    words: str
    suffix: str = ""
    """What its name usually ends in."""
    unpack: str = ""
    """Command that replaces the file by what is packed in it."""
    pipe: str = ""
    """Command that writes what is packed in it to stdout."""


_SHEET: Final = Kind("an Excel workbook")
_KINDS: Final = (
    (b"\x1f\x8b", Kind("a gzip file", ".gz", "gunzip", "gzip -dc")),
    (b"\x28\xb5\x2f\xfd", Kind("a zstd file", ".zst", "zstd -d --rm", "zstd -dc")),
    (b"BZh", Kind("a bzip2 file", ".bz2", "bunzip2", "bzip2 -dc")),
    (b"\xfd7zXZ\0", Kind("an xz file", ".xz", "unxz", "xz -dc")),
    (b"\x04\x22\x4d\x18", Kind("an lz4 file", ".lz4", "unlz4 --rm", "lz4 -dc")),
    (b"PK\x03\x04", Kind("a zip file", ".zip", "unzip", "unzip -p")),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z file", ".7z", "7z x", "7z x -so")),
    (b"\xd0\xcf\x11\xe0", _SHEET),
    (b"ARROW1\0\0", Kind("an Arrow (Feather) file")),
    (b"SQLite format 3\0", Kind("an SQLite database")),
    (b"\x89HDF\r\n", Kind("an HDF5 file")),
    (b"Obj\x01", Kind("an Avro file")),
    (b"\x80\x04\x95", Kind("a Python pickle")),
    (b"\x80\x05\x95", Kind("a Python pickle")),
)
_WRITE_ANEW: Final = "Write it as CSV or Parquet."


def check_content(path: Path, *, parquet: bool) -> None:
    """Hold the first bytes of a file against what its name says that it is.

    Args:
        path: a regular file.
        parquet: whether it is to be read as Parquet; else as CSV.

    Raises:
        InputError: it is packed, of another program, or the other one of the two.
        OSError: it is not there, or may not be read.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a file", remedy(path))
    wanted = "Parquet" if parquet else "CSV text"
    if kind := _kind_of(path):
        raise InputError(f"{path}: it is {kind.words}, not {wanted}", remedy(path))
    if not parquet and _is_parquet(path):
        raise InputError(f"{path}: it is a Parquet file, not {wanted}", remedy(path))
    if parquet and not _head(path).startswith(_PARQUET) and _is_text(path):
        raise InputError(f"{path}: it is text, not {wanted}", remedy(path))


def is_packed(path: Path) -> bool:
    """Whether the file has to be unpacked before it can be read."""
    kind = _kind_of(path)
    return kind is not None and bool(kind.unpack)


def remedy(path: Path) -> str:
    """What to do so that the table in ``path``, a file or a folder, can be read."""
    if path.is_dir():
        return _one_file(path)
    if not path.is_file():
        broken = path.is_symlink() and not path.exists()
        return "It is a link to a file that is not there." if broken else "Write it to a regular file first."
    if kind := _kind_of(path):
        return _unpacked(kind, path)
    ending = ".parquet" if _is_parquet(path) else ".csv" if _is_text(path) else ""
    if not ending or path.suffix == ending:
        return _WRITE_ANEW
    return f"Rename it: mv {_shell(path)} {_shell(path.with_suffix(ending))}"


def _one_file(folder: Path) -> str:
    parts = sorted(path.suffix for path in folder.iterdir() if path.suffix in {".parquet", ".csv"})
    if not parts:
        return "Give a CSV or Parquet file."
    every = literal(str(folder / f"*{parts[-1]}"))
    return f"A folder of parts is not read. Write them as one file, in DuckDB: copy (from {every}) to 'one.parquet'"


def _unpacked(kind: Kind, path: Path) -> str:
    if not kind.unpack:
        return "Save it as CSV." if kind is _SHEET else _WRITE_ANEW
    if path.suffix == kind.suffix:
        return f"Unpack it: {kind.unpack} {_shell(path)}"
    # These programs go by a file's name.
    target = path.with_name(f"{path.stem}-unpacked{path.suffix}")
    return f"Unpack it: {kind.pipe} {_shell(path)} > {_shell(target)}"


def _kind_of(path: Path) -> Kind | None:
    if not path.is_file():
        return None
    head = _head(path)
    for sign, kind in _KINDS:
        if head.startswith(sign):
            if kind.suffix == ".zip" and b"[Content_Types].xml" in head:
                return _SHEET
            # Three letters may begin a text, too.
            return None if kind.suffix == ".bz2" and head[4:10] != b"1AY&SY" else kind
    return None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LOOKED_AT)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.read(len(_PARQUET))
        # A text may begin with these four letters.
        file.seek(max(path.stat().st_size - len(_PARQUET), 0))
        return first == file.read() == _PARQUET


def _is_text(path: Path) -> bool:
    head = _head(path)
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be cut off.
        if len(head) < LOOKED_AT or error.start < LOOKED_AT - 4:
            return False
        text = head[: error.start].decode()
    return bool(text) and "\0" not in text


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
