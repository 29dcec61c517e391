"""The tables out of KuaiRec.zip, and nothing else that an archive might try.

An archive is input from the network. Its list of members is checked as a whole before a byte is written; then
each wanted member is streamed to a temporary file, counted and checked, and only then gets its name. Names on
disk come from `NAMES`, never from the archive, so that no entry can choose where it is written.
"""

import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kraft.engine.process.progress import Progress, Task
from kraft.errors import DownloadError
from kraft.logs.download.disk import disk_errors, publish, require_space

REQUIRED = (
    "small_matrix.csv",
    "big_matrix.csv",
    "user_features.csv",
    "item_categories.csv",
    "item_daily_features.csv",
    "social_network.csv",
    "kuairec_caption_category.csv",
)
"""The seven tables that every version of the dataset has."""
EXTRAS = ("video_raw_categories_multi.csv", "user_features_raw.csv")
"""Tables of later versions; unpacked where they are there."""
NAMES = frozenset(REQUIRED + EXTRAS)
FOLDERS = (("KuaiRec 2.0", "data"), ("KuaiRec", "data"))
"""Where the tables are in the archive: the official one, and older mirrors."""

LARGEST_MEMBER = 4 * 1024**3
"""Bytes of one table; big_matrix.csv, the largest, has about a quarter of that."""
LARGEST_SUM = 8 * 1024**3
"""Bytes of all tables; the dataset has about a fifth of that."""
LARGEST_RATIO = 100
"""Times a table may be larger than its compressed form. KuaiRec's reach 3 to 6; deflate goes to 1,032."""
RATIO_FREE = 1024 * 1024
"""Bytes below which the ratio is not checked: a tiny table of one repeated value harms nobody."""
MOST_MEMBERS = 10_000
"""Entries of an archive; KuaiRec.zip has a few dozen."""
BLOCK = 1024 * 1024
"""Bytes inflated at once."""

ENCRYPTED = 0x1 | 0x40
"""Flag bits of a ZIP entry: encrypted, strongly encrypted."""
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
REMEDY = "Nothing of it was unpacked. Delete it and fetch the archive from another server with --url."


@dataclass(frozen=True)
class Unpacked:
    """What an archive held."""

    sizes: dict[str, int]
    """Bytes of every wanted member, by the table's file name, also of those that were not written again."""
    written: tuple[str, ...]
    """The tables that were written in this call."""
    left_out: tuple[str, ...]
    """Members that are none of the dataset's tables."""


def unpack(archive: Path, folder: Path, progress: Progress, keep: Collection[str] = ()) -> Unpacked:
    """Write the tables in ``archive`` to ``folder``, each under its name only when whole.

    Args:
        archive: a ZIP file with the tables in one of `FOLDERS`.
        folder: made if it is not there; tables of the same name are replaced.
        progress: told about bytes, and with ``--verbose`` about the members left out.
        keep: names of tables that are whole in ``folder`` already and stay as they are.

    Raises:
        DownloadError: the archive is not a ZIP file, lacks one of `REQUIRED`, or breaks a rule (nothing was
            written); or a member is damaged (the tables before it are whole and stay).
        MachineError: too little disk, or the disk failed.
    """
    with disk_errors():
        try:
            with zipfile.ZipFile(archive) as opened:
                return _unpack(opened, folder, progress, keep)
        except zipfile.BadZipFile as error:
            raise DownloadError(f"{archive}: not a whole ZIP file: {error}", REMEDY) from error


def _unpack(opened: zipfile.ZipFile, folder: Path, progress: Progress, keep: Collection[str]) -> Unpacked:
    archive = str(opened.filename)
    wanted, left_out = select(opened.infolist(), archive)
    for name in left_out:
        progress.detail(f"left out  {name}")
    todo = {name: member for name, member in wanted.items() if name not in keep}
    folder.mkdir(parents=True, exist_ok=True)
    # Replaced tables stay until the new ones are whole, so their space cannot be counted on.
    needed = sum(member.file_size for member in todo.values())
    require_space(folder, needed, f"unpacking {Path(archive).name}")
    with progress.task("unpacking", needed, unit="B") as task:
        for name, member in todo.items():
            _extract(opened, member, folder / name, task)
    return Unpacked({name: member.file_size for name, member in wanted.items()}, tuple(todo), left_out)


def select(members: list[zipfile.ZipInfo], archive: str) -> tuple[dict[str, zipfile.ZipInfo], tuple[str, ...]]:
    """Check an archive by its list of members, before anything is written.

    Args:
        members: every entry of the archive, in its order.
        archive: the archive, as errors should name it.

    Returns:
        The wanted entries by the table's name, in the order of `REQUIRED` and `EXTRAS`; and the names of the
        other files.

    Raises:
        DownloadError: the first broken rule.
    """
    if len(members) > MOST_MEMBERS:
        raise DownloadError(f"{archive}: {len(members):,} entries, at most {MOST_MEMBERS:,} are taken", REMEDY)
    for member in members:
        # No honest archive holds such entries, wanted or not: what comes with them is not trusted either.
        if problem := _dangerous(member):
            raise DownloadError(f"{archive}, entry {member.orig_filename!r}: {problem}", REMEDY)
    found = [(PurePosixPath(member.filename).name, member) for member in members if _is_wanted(member)]
    times = Counter(name for name, _ in found)
    for name, member in found:
        problem = "more than one entry of that name" if times[name] > 1 else _unreadable(member)
        if problem:
            raise DownloadError(f"{archive}, entry {member.filename!r}: {problem}", REMEDY)
    total = sum(member.file_size for _, member in found)
    if total > LARGEST_SUM:
        raise DownloadError(f"{archive}: unpacks to {total:,} bytes, at most {LARGEST_SUM:,} are taken", REMEDY)
    missing = [name for name in REQUIRED if name not in times]
    if missing:
        raise DownloadError(f"{archive}: lacks {', '.join(missing)}", REMEDY)
    by_name = dict(found)
    ordered = {name: by_name[name] for name in REQUIRED + EXTRAS if name in by_name}
    others = tuple(member.filename for member in members if not member.is_dir() and not _is_wanted(member))
    return ordered, others


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    return not member.is_dir() and path.name in NAMES and path.parts[:2] in FOLDERS


def _dangerous(member: zipfile.ZipInfo) -> str:
    """The rule that this entry breaks by its mere presence; empty if it breaks none."""
    # zipfile cuts `filename` at a NUL byte; what was written in the archive is `orig_filename`.
    name = member.orig_filename
    if "\0" in name or "\\" in name:
        return "a NUL byte or a backslash in the name"
    if name.startswith("/") or name[1:2] == ":":
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that leaves the folder"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "a link or a special file"
    return ""


def _unreadable(member: zipfile.ZipInfo) -> str:
    """The rule that a wanted entry breaks; empty if it breaks none."""
    if member.flag_bits & ENCRYPTED:
        return "encrypted"
    if member.compress_type not in METHODS:
        return f"compression method {member.compress_type}, only 0 (stored) and 8 (deflate) are taken"
    if member.file_size > LARGEST_MEMBER:
        return f"{member.file_size:,} bytes, at most {LARGEST_MEMBER:,} are taken"
    if member.file_size > max(RATIO_FREE, LARGEST_RATIO * member.compress_size):
        return (
            f"{member.compress_size:,} bytes that unpack to {member.file_size:,}: "
            f"more than {LARGEST_RATIO} times is taken for a bomb"
        )
    return ""


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, task: Task) -> None:
    # The same temporary name every time: what a killed run leaves behind is overwritten, not collected.
    temporary = target.with_name(f".{target.name}.partial")
    try:
        # A link planted under that name would be followed.
        temporary.unlink(missing_ok=True)
        _inflate(opened, member, temporary, task)
        publish(temporary, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DownloadError(
            f"{opened.filename}, entry {member.filename!r}: damaged: {error or type(error).__name__}",
            f"Delete {opened.filename} and repeat the command.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _inflate(opened: zipfile.ZipFile, member: zipfile.ZipInfo, temporary: Path, task: Task) -> None:
    """Write a member's bytes, no more and no fewer than its entry declares; the CRC is checked at its end."""
    size = 0
    with opened.open(member) as source, temporary.open("xb") as file:
        while block := source.read(BLOCK):
            size += len(block)
            if size > member.file_size:
                # zipfile stops at the declared size itself; the limits rest on it, so it is not assumed.
                raise zipfile.BadZipFile(f"more than the declared {member.file_size:,} bytes")
            file.write(block)
            task.advance(len(block))
    if size < member.file_size:
        # Here zipfile is content: a CRC that fits the fewer bytes passes.
        raise zipfile.BadZipFile(f"{size:,} bytes of the declared {member.file_size:,}")
