"""The dataset on disk: fetched once, recognised afterwards, repaired where it was damaged.

Under ``<to>``, in the order in which they appear:

    KuaiRec.zip.part, .part.json    while the archive arrives
    KuaiRec.zip                     whole, its MD5 checked
    KuaiRec 2.0/data/*.csv          each when it is whole, whatever the archive calls its folder
    KuaiRec.json                    the manifest, last: what is here, and of which archive

A run may die anywhere: the next one goes on from what it finds.

The archive is deleted once its tables are there: only a repair would read it again, and that is rare, while a
disk on which 432 MB matter is not. A repair without the archive downloads it again; ``keep_archive`` keeps it
for a repair without a network. An archive that an earlier call or a person has left there is never deleted.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kraft.engine.process.progress import Progress
from kraft.errors import InputError, MachineError
from kraft.logs.download.disk import disk_errors, publish_text
from kraft.logs.download.partial_file import Source
from kraft.logs.download.retry import Patience
from kraft.logs.download.transfer import Downloaded, download, md5_of
from kraft.logs.download.unpack import NAMES, REQUIRED, Unpacked, unpack

ARCHIVE = "KuaiRec.zip"
FOLDER = Path("KuaiRec 2.0", "data")
"""Where the tables go. One place for every version: two side by side could be read mixed."""
MANIFEST = "KuaiRec.json"


@dataclass(frozen=True)
class Manifest:
    """What a completed fetch has left: written last, so that it never promises what is not there."""

    url: str
    md5: str
    """Of the archive."""
    sizes: dict[str, int]
    """Bytes of each table, by its file name in `FOLDER`."""


@dataclass(frozen=True)
class Fetched:
    """What one call found and did."""

    folder: Path
    """Where the tables are."""
    sizes: dict[str, int]
    """Bytes of each table, by its file name."""
    written: tuple[str, ...] = ()
    """The tables that this call wrote; none if all was there."""
    left_out: tuple[str, ...] = ()
    """Members of the archive that are none of the tables."""
    downloaded: Downloaded | None = None
    """None if the archive was on disk already, or not needed."""
    seconds: float = 0.0


def fetch(
    to: Path,
    source: Source,
    progress: Progress,
    *,
    keep_archive: bool = False,
    patience: Patience | None = None,
) -> Fetched:
    """Bring the dataset's tables to ``to / FOLDER``, doing only what is still to do.

    Args:
        to: a folder; made if it is not there.
        source: the archive's URL and MD5; `partial_file.OFFICIAL` unless a mirror is meant.
        progress: told about bytes, waits and repairs.
        keep_archive: keep KuaiRec.zip, for repairs without a network.
        patience: default ``Patience()``.

    Returns:
        What is there now. A table counts as whole where it has the manifest's size: reading gigabytes again
        at every call would cost more than it finds.

    Raises:
        InputError: ``to`` is not a folder, or a KuaiRec.zip with another MD5 lies in it.
        DownloadError: see `download` and `unpack`.
        MachineError: the disk, or another fetch that works in ``to`` right now.
    """
    started = time.monotonic()
    with disk_errors():
        if to.exists() and not to.is_dir():
            raise InputError(f"--to {to}: not a folder", "Name a folder, which may be new.")
        to.mkdir(parents=True, exist_ok=True)
        with _alone(to):
            known = _read_manifest(to, source)
            whole = _whole(to, known)
            if known and len(whole) == len(known.sizes):
                return Fetched(to / FOLDER, known.sizes)
            if known:
                damaged = ", ".join(sorted(set(known.sizes) - set(whole)))
                progress.say(f"repairing  {damaged} (missing, or not of the size that was written)")
            _refuse_others(to)
            downloaded = _bring_archive(to, source, progress, patience)
            unpacked = _unpack(to, source, progress, whole)
            if downloaded and not keep_archive:
                (to / ARCHIVE).unlink()
    seconds = time.monotonic() - started
    return Fetched(to / FOLDER, unpacked.sizes, unpacked.written, unpacked.left_out, downloaded, seconds)


def _refuse_others(to: Path) -> None:
    """Tables without a manifest are somebody's own, unless an archive is there whose unpacking was broken off.

    Raises:
        InputError: so it is.
    """
    if (to / MANIFEST).exists() or (to / ARCHIVE).exists():
        return
    for name in NAMES:
        if os.path.lexists(to / FOLDER / name):
            raise InputError(
                f"{to / FOLDER / name} is there, and fetch_data has not brought it",
                "Use it as it is with --raw, give another folder with --to, or move it away. Nothing was overwritten.",
            )


def _bring_archive(to: Path, source: Source, progress: Progress, patience: Patience | None) -> Downloaded | None:
    archive = to / ARCHIVE
    if not archive.exists():
        return download(source, archive, progress, patience)
    found = md5_of(archive, progress)
    if found != source.md5:
        # It may be somebody's own: not this command's to delete.
        raise InputError(
            f"{archive}: its md5 is {found}, expected {source.md5}",
            f"Delete it, or rerun with --md5 {found} if this is the version you want.",
        )
    progress.say(f"reused  {archive} (its md5 is right), nothing to download")
    return None


def _unpack(to: Path, source: Source, progress: Progress, whole: list[str]) -> Unpacked:
    if not whole:
        # Tables are about to be replaced: a manifest of other ones must not outlive them.
        (to / MANIFEST).unlink(missing_ok=True)
    unpacked = unpack(to / ARCHIVE, to / FOLDER, progress, keep=whole)
    manifest = Manifest(source.url, source.md5, unpacked.sizes)
    publish_text(TypeAdapter(Manifest).dump_json(manifest, indent=1).decode() + "\n", to / MANIFEST)
    return unpacked


def _read_manifest(to: Path, source: Source) -> Manifest | None:
    """The manifest, if it tells of this very archive; its URL may differ: mirrors serve the same bytes."""
    try:
        manifest = TypeAdapter(Manifest).validate_json((to / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return manifest if manifest.md5 == source.md5 and set(REQUIRED) <= set(manifest.sizes) else None


def _whole(to: Path, known: Manifest | None) -> list[str]:
    """The tables on disk that have the size the manifest tells."""
    sizes = known.sizes if known else {}
    paths = {name: to / FOLDER / name for name in sizes}
    return [name for name, path in paths.items() if path.is_file() and path.stat().st_size == sizes[name]]


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    """Keep a second fetch out of ``to``. The lock is on the folder itself and dies with the process."""
    handle = os.open(to, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MachineError(f"{to}: another fetch is at work there", "Wait until it has ended.") from error
        yield
    finally:
        os.close(handle)
