"""The work folder: what is in it, how it is written, and whether it is up to date.

    work/tables/NAME.parquet   one file a table, as of the last job that ended (`kraft.engine.workspace.snapshots`)
    work/kraft.duckdb          the catalog: one view a table, with comments
    work/draft/NAME.parquet    the tables that jobs work on; `tables` shows the same files once a job has ended
    work/models/NAME/          factors, ranker: .npy, LightGBM text, JSON
    work/manifest.json         what each was made of, its rows, seconds and peak memory
    work/fit/                  the same for the train period cut again in time: what a ranker learns from
    work/tmp/                  spilled and half-written files; the next job removes what a dead one left
    work/lock                  held by the job that runs

A table or model is written under `tmp/`, moved to its path, then entered in the manifest. If a job dies in between,
the old state is left, or files that are not in the manifest and are made again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kraft import __version__
from kraft.engine.targets import refuse_special, resolved_path
from kraft.engine.workspace import snapshots
from kraft.engine.workspace.locks import held_draft, held_folder, sweep
from kraft.engine.workspace.manifest import Entry, Manifest, size, stamp
from kraft.errors import InputError, MachineError

FIT = "fit"
"""Folder of the history's tables and models: those that the features come from while the ranker learns."""


@dataclass(frozen=True)
class Fingerprint:
    """All that a result depends on; two equal fingerprints give equal bytes."""

    inputs: Mapping[str, str]
    """Name -> digest of a table's own fingerprint, or the state of a raw file."""
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
    """Why ``new`` differs from ``old``, both `Fingerprint.as_json`; empty if it does not."""
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
    """One work folder.

    Args:
        folder: made if it is not there.
        within: the store of the work folder that this one is a folder of: its tables are part of that one's states.
    """

    def __init__(self, folder: Path, within: "Store | None" = None) -> None:
        self.folder = folder.resolve()
        self.drafts = self.folder / "draft"
        self.models = self.folder / "models"
        self.tmp = self.folder / "tmp"
        self._manifest = Manifest(self.folder)
        try:
            for part in (self.drafts, self.models, self.tmp):
                part.mkdir(parents=True, exist_ok=True)
            if within:
                snapshots.begin_inner(within.folder, self.folder.name)
            else:
                snapshots.begin(self.folder)
        except (FileExistsError, NotADirectoryError):
            raise InputError(f"--work {folder}: a file of this name is in the way") from None
        except OSError as error:
            raise MachineError(f"--work {folder}: {error.strerror}", "Choose a folder you may write to.") from None

    def inner(self, name: str) -> "Store":
        """The store in the folder ``name`` of this one."""
        return Store(self.folder / name, within=self)

    def table(self, name: str) -> Path:
        """The table's file as this job made or found it."""
        return self.drafts / f"{name}.parquet"

    def published_path(self, name: str) -> Path:
        """Where people find the table when the job has ended."""
        return self.folder / snapshots.TABLES / f"{name}.parquet"

    def model(self, name: str) -> Path:
        return self.models / name

    # --- the manifest -------------------------------------------------------------------------

    def manifest(self) -> dict[str, Entry]:
        """Entries by name; empty if there is none yet, or one of another format."""
        return self._manifest.entries()

    def entry(self, name: str) -> Entry | None:
        """The manifest's entry of ``name``; None if its files are not those that were published."""
        entry = self.manifest().get(name)
        return entry if entry and self._is_published(entry) else None

    def _is_published(self, entry: Entry) -> bool:
        path = self.folder / entry["path"]
        # The hash of a model is compared when it is used (`verified`).
        return bool(entry["size"] == size(path)) and (path.is_dir() or entry["stamp"] == stamp(path))

    def verified(self, name: str) -> Path:
        """The folder of a model whose bytes are those that were published.

        Raises:
            InputError: they are others, or there is no such model.
        """
        entry, path = self.manifest().get(name), self.model(name)
        if entry is None or not path.is_dir():
            raise InputError(f"{path}: there is no such model", "Train first: python -m jobs.train.")
        if entry["stamp"] != stamp(path):
            raise InputError(
                f"{path}: its hash is not the one in the manifest: KRAFT did not write these files",
                "Delete the folder; the next job makes it again.",
            )
        return path

    def stale(self, name: str, fingerprint: Fingerprint) -> str:
        """Why ``name`` has to be made again; empty if it is up to date."""
        entry = self.entry(name)
        if entry is None:
            return "new" if name not in self.manifest() else "its file is missing or changed"
        return difference(entry["fingerprint"], fingerprint.as_json())

    def _enter(self, name: str, path: Path, fingerprint: Fingerprint, facts: Mapping[str, Any]) -> None:
        entry = {
            "path": str(path.relative_to(self.folder)),
            "size": size(path),
            "stamp": stamp(path),
            "digest": fingerprint.digest,
            "fingerprint": fingerprint.as_json(),
            **facts,
        }
        self._manifest.change(lambda entries: entries.update({name: entry}), self._replace)

    # --- publishing ---------------------------------------------------------------------------

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for half-written files, on the same file system as the results."""
        with held_folder(self.tmp, "job-") as folder:
            yield folder

    def publish(self, name: str, written: Path, fingerprint: Fingerprint, facts: Mapping[str, Any]) -> None:
        """Move a whole file (a table) or folder (a model) to its path and enter it in the manifest.

        Args:
            name: of the table or model.
            written: the file or folder, in a `scratch` folder.
            fingerprint: what it was made of.
            facts: what else the manifest is to say; of a table at least `rows`, and `purpose` and `columns`
                (name -> meaning), which become the catalog's comments.
        """
        target = self.model(name) if written.is_dir() else self.table(name)
        if target.is_dir():
            # A folder cannot be replaced in one step; between the two, the manifest's size does not match
            # and the model counts as missing.
            with self.scratch() as old:
                target.rename(old / name)
                written.rename(target)
        else:
            written.replace(target)
        self._enter(name, target, fingerprint, facts)

    def discard(self, name: str) -> None:
        """Remove a table if it is there."""
        if name in self.manifest():
            self._manifest.change(lambda entries: entries.pop(name, None), self._replace)
        self.table(name).unlink(missing_ok=True)

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        with self.scratch() as folder:
            draft = folder / path.name
            write(draft)
            draft.replace(path)

    # --- what readers see -----------------------------------------------------------------------

    def commit(self) -> Path:
        """Show readers the tables as they are now, those of the stores within too; returns the catalog."""
        return snapshots.commit(self, self._inner())

    def cleanup(self) -> None:
        """Remove what dead jobs left, and old states that nobody reads. The caller holds the folder's lock."""
        for store in (self, *self._inner().values()):
            sweep(store.tmp)
        snapshots.forget(self.folder)

    def _inner(self) -> dict[str, "Store"]:
        links = sorted(self.folder.glob(f"*/{snapshots.TABLES}"))
        return {link.parent.name: self.inner(link.parent.name) for link in links if link.is_symlink()}


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path`` and give it its name once it is whole.

    A link is followed: what it leads to is replaced, and the link stays.

    Raises:
        InputError: the folder is missing or is a file, or what is there is not a regular file.
        MachineError: the file cannot be written.
    """
    try:
        target = resolved_path(str(path), path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with held_draft(target) as draft:
            write(draft)
            # Something may have appeared there since.
            refuse_special(str(path), target)
            draft.replace(target)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path.parent}: not a folder", "Give another path.") from None
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror or error}", "Nothing was written.") from None
