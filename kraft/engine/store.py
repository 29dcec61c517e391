"""The work folder: what is in it, how it gets there whole, and whether it is still true.

    work/tables/NAME.parquet   one file a table
    work/models/NAME/          factors, ranker: .npy, LightGBM text, JSON
    work/manifest.json         what each was made of, its rows, seconds and peak memory
    work/fit/                  the same for the train period cut again in time: what a ranker learns from
    work/kraft.duckdb          the catalog: one view a table, with comments
    work/tmp/                  spilled and half-written files; safe to delete when no job runs

A table or model is written under `tmp/`, moved to its place, and then entered in the manifest: whatever
dies in between leaves either the old state or one that the manifest does not vouch for, which is rebuilt.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from kraft import __version__
from kraft.errors import InputError, MachineError

MANIFEST_FORMAT = 1
FIT = "fit"
"""Folder of a work folder that is a work folder of its own: the tables and models of the history that a ranker's
features come from while it learns."""
_DELETE_MANIFEST = "Delete it; the next job rebuilds what it needs."


@dataclass(frozen=True)
class Recipe:
    """All that a result depends on; two equal recipes give equal bytes."""

    inputs: Mapping[str, str]
    """Name -> digest of a table's own recipe, or the state of a raw file."""
    settings: Mapping[str, Any]
    """The settings that matter to it, by name."""
    code: str
    """Digest of the SQL text, or the format number of a model's code."""
    version: str = __version__

    def as_json(self) -> dict[str, Any]:
        return {
            "inputs": dict(self.inputs),
            "settings": dict(self.settings),
            "code": self.code,
            "version": self.version,
        }

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()[:16]


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Why ``new`` differs from ``old``, both `Recipe.as_json`; empty where it does not."""
    if old["version"] != new["version"]:
        return f"version {old['version']} -> {new['version']}"
    if old["code"] != new["code"]:
        return "its code changed"
    for name, value in new["settings"].items():
        if old["settings"].get(name) != value:
            return f"{name} {old['settings'].get(name)} -> {value}"
    changed = [name for name, state in new["inputs"].items() if old["inputs"].get(name) != state]
    if changed:
        return f"{', '.join(changed)} changed"
    return "" if old == new else "its inputs changed"


class Store:
    """One work folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.tables = self.folder / "tables"
        self.models = self.folder / "models"
        self.tmp = self.folder / "tmp"
        try:
            for part in (self.tables, self.models, self.tmp):
                part.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"--work {folder}: a file of this name is in the way") from None
        except OSError as error:
            raise MachineError(f"--work {folder}: {error.strerror}", "Choose a folder you may write to.") from None

    def table(self, name: str) -> Path:
        return self.tables / f"{name}.parquet"

    def model(self, name: str) -> Path:
        return self.models / name

    # --- the manifest -------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """Entries by name; empty where there is none yet, or one of another format."""
        path = self.folder / "manifest.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise InputError(f"{path}: not valid JSON", _DELETE_MANIFEST) from None
        try:
            entries: dict[str, Any] = content["entries"] if content.get("format") == MANIFEST_FORMAT else {}
            whole = all({"path", "size", "digest", "recipe"} <= set(entry) for entry in entries.values())
        except (AttributeError, KeyError, TypeError):
            whole = False
        if not whole:
            raise InputError(f"{path}: not a manifest of KRAFT's", _DELETE_MANIFEST)
        return entries

    def entry(self, name: str) -> dict[str, Any] | None:
        """What the manifest says of ``name``; None where its files are not those that were published."""
        entry: dict[str, Any] | None = self.manifest().get(name)
        return entry if entry and entry["size"] == _size(self.folder / entry["path"]) else None

    def stale(self, name: str, recipe: Recipe) -> str:
        """Why ``name`` has to be made again; empty where it is up to date."""
        entry = self.entry(name)
        if entry is None:
            return "new" if name not in self.manifest() else "its file is missing or changed"
        return difference(entry["recipe"], recipe.as_json())

    def _enter(self, name: str, path: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
        entry = {
            "path": str(path.relative_to(self.folder)),
            "size": _size(path),
            "digest": recipe.digest,
            "recipe": recipe.as_json(),
            **facts,
        }
        # Stages that run side by side read and replace the manifest one after the other.
        with self._locked():
            self._write_manifest(self.manifest() | {name: entry})

    def _write_manifest(self, entries: Mapping[str, Any]) -> None:
        content = {"format": MANIFEST_FORMAT, "entries": dict(sorted(entries.items()))}
        self._replace(
            self.folder / "manifest.json",
            lambda path: path.write_text(json.dumps(content, indent=1), encoding="utf-8"),
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the kernel frees the lock of a process that dies."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    # --- publishing ---------------------------------------------------------------------------

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for half-written files, on the same file system as the results."""
        folder = Path(mkdtemp(prefix="job-", dir=self.tmp))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, name: str, written: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
        """Move a whole file (a table) or folder (a model) to its place and enter it in the manifest.

        Args:
            name: of the table or model.
            written: the file or folder, in a `scratch` folder.
            recipe: what it was made of.
            facts: what else the manifest is to say; of a table at least `rows`, and `purpose` and `columns`
                (name -> meaning), which become the catalog's comments.
        """
        place = self.model(name) if written.is_dir() else self.table(name)
        if place.is_dir():
            # A folder cannot be replaced in one step; between the two, the manifest's size does not match
            # and the model counts as missing.
            with self.scratch() as old:
                place.rename(old / name)
                written.rename(place)
        else:
            written.replace(place)
        self._enter(name, place, recipe, facts)

    def discard(self, name: str) -> None:
        """Take a table back that is no longer wanted; nothing happens where there is none."""
        with self._locked():
            entries = self.manifest()
            if entries.pop(name, None):
                self._write_manifest(entries)
        self.table(name).unlink(missing_ok=True)

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        with self.scratch() as folder:
            draft = folder / path.name
            write(draft)
            draft.replace(path)

    # --- the catalog --------------------------------------------------------------------------

    def write_catalog(self) -> Path:
        """`kraft.duckdb`: a view a table, commented from the headers of `sql/`, with absolute paths, so
        that it answers from any working directory.
        """
        catalog = self.folder / "kraft.duckdb"
        self._replace(catalog, self._write_views)
        return catalog

    def _write_views(self, path: Path) -> None:
        # Imported here: the ranker's stage publishes too, and has no room for DuckDB.
        from kraft.engine.session import open_file  # noqa: PLC0415

        inner = Store(self.folder / FIT) if (self.folder / FIT).is_dir() else None
        with open_file(path) as connection:
            self._add_views(connection, "main")
            if inner:
                connection.execute(f"create schema {FIT}")
                inner._add_views(connection, FIT)  # noqa: SLF001 - a store of the same kind

    def _add_views(self, connection: Any, schema: str) -> None:  # noqa: ANN401 - DuckDB is imported where it is used
        for name, entry in self.manifest().items():
            if not entry["path"].endswith(".parquet") or self.entry(name) is None:
                continue
            # DuckDB takes no parameters in CREATE VIEW and COMMENT: text is quoted by doubling quotes.
            file = _literal(str(self.table(name)))
            connection.execute(f"create view {schema}.{name} as from read_parquet({file})")
            connection.execute(f"comment on view {schema}.{name} is {_literal(entry['purpose'])}")
            for column, meaning in entry["columns"].items():
                connection.execute(f"comment on column {schema}.{name}.{column} is {_literal(meaning)}")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path`` and give it its name once it is whole.

    Raises:
        InputError: the folder is missing or is a file.
        MachineError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise InputError(f"{path}: a folder of this name is in the way", "Give a file name.")
        write(draft)
        draft.replace(path)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path.parent}: not a folder", "Give another path.") from None
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror or error}", "Nothing was written.") from None
    finally:
        # Where the folder is none, neither is the draft.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of a file or of all files in a folder; -1 where there is none."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size if path.exists() else -1


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
