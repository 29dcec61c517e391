"""The files that a description names: found, and as SQL that reads one of them."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from kraft.engine.paths import literal, pattern
from kraft.errors import InputError
from kraft.logs.described.description import Described, Interactions, Items, Users

CSV: Final = frozenset({".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".item", ".user"})
PARQUET: Final = frozenset({".parquet", ".pq"})
JSON: Final = frozenset({".json", ".jsonl", ".ndjson"})
SQL: Final = ".sql"
_PACKED: Final = frozenset({".gz", ".zst"})
_KNOWN: Final = "Give .csv (.tsv, .txt, .dat), .json, .jsonl, each also as .gz or .zst, .parquet or .sql."

Table = Interactions | Users | Items


def find_files(table: Table, folder: Path, where: str) -> list[Path]:
    """The files of a table, each once, sorted by name.

    Args:
        table: names them.
        folder: what the names are relative to.
        where: the description and the section, for messages.

    Raises:
        InputError: a name finds nothing, or a file of a kind that is not read.
    """
    found: set[Path] = set()
    for name in table.files:
        matched = [path for path in _matching(folder, name) if not path.name.startswith((".", "_"))]
        if not matched:
            there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            near = get_close_matches(name, there, 1) or there[:3]
            shown = f", which has {', '.join(near)}" if near else ", which is empty" if folder.is_dir() else ""
            raise InputError(
                f'{where} files = "{name}": no such file in {folder}{shown}', "Correct the name, or --raw."
            )
        for path in matched:
            if kind(path) not in CSV | PARQUET | JSON | {SQL}:
                raise InputError(f'{where} files = "{name}": {path.name} is of no kind that is read', _KNOWN)
        found.update(matched)
    files = sorted(found)
    if len(files) > 1 and any(kind(path) == SQL for path in files):
        raise InputError(f"{where} files: a .sql file stands alone", "Read the other files in it.")
    return files


def readable(described: Described) -> list[Path]:
    """All files that the log may be read from: those that are named, and beside a .sql file all in the folder.

    Raises:
        InputError: as `find_files`.
    """
    files: list[Path] = []
    for section, table in described.log:
        if table is not None:
            files += find_files(table, described.folder, f"{described.path}: [{section}]")
    if any(kind(path) == SQL for path in files):
        files += [path for path in sorted(described.folder.rglob("*")) if path.is_file()]
    return files


def kind(path: Path) -> str:
    """The ending of a file's name, without that of a packed one.

    >>> kind(Path("log.csv.gz"))
    '.csv'
    """
    ending = path.suffix.lower()
    return Path(path.stem).suffix.lower() if ending in _PACKED else ending


def rows_of(path: Path, table: Table, types: Mapping[str, str]) -> str:
    """SQL for the rows of a file.

    Args:
        path: the file.
        table: how to read it.
        types: SQL types of columns of a CSV file that are not to be found out.
    """
    if kind(path) == SQL:
        return path.read_text(encoding="utf-8").strip().rstrip(";")
    hive = any("=" in part for part in path.parent.parts)
    arguments = [literal(pattern(path)), f"hive_partitioning = {hive}"]
    if kind(path) in PARQUET:
        return f"from read_parquet({', '.join(arguments)})"
    if kind(path) in JSON:
        return f"from read_json({', '.join(arguments)})"
    return f"from read_csv({', '.join([*arguments, *_dialect(table, types)])})"


def _dialect(table: Table, types: Mapping[str, str]) -> Iterator[str]:
    """What the description says of a CSV file; the rest is found out by DuckDB."""
    if table.columns:
        yield "header = false"
        yield f"names = [{', '.join(literal(name) for name in table.columns)}]"
    if table.separator is not None:
        yield f"delim = {literal(table.separator)}"
    if table.encoding != "utf-8":
        yield f"encoding = {literal(table.encoding)}"
    if table.quote is not None:
        yield f"quote = {literal(table.quote)}"
        yield f"escape = {literal(table.quote)}"
    if types:
        yield f"types = {{{', '.join(f'{literal(name)}: {literal(kind)}' for name, kind in types.items())}}}"


def _matching(folder: Path, name: str) -> Iterable[Path]:
    path = folder / name
    if path.is_file():
        return [path]
    if path.is_dir():
        return [one for one in path.rglob("*") if one.is_file()]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    return [one for one in anchor.glob(str(path.relative_to(anchor))) if one.is_file()]
