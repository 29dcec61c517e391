"""Raw files that are not on this machine, found and fetched through Hadoop's file systems.

Whatever scheme the Spark installation knows will do: hdfs://, s3a://, and others whose jar is on its class path. The
workers read a log where it lies. The files about users and videos are small beside it: they are copied to the work
folder, and again only when they change.
"""

import csv
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from kraft.engine.sql.session import Connection
from kraft.errors import InputError, MachineError
from kraft.logs.files import KINDS, PLACES, USERS_STEM
from kraft.spark.errors import root_reason

HEADER_BYTES: Final = 65_536
"""What the first line of a CSV file fits into."""


class Found(NamedTuple):
    """A file, or a folder, at a URL."""

    url: str
    size: int
    """Bytes; 0 for a folder."""
    changed: int
    """Time of the last change [ms]."""
    is_file: bool

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class RemoteLog:
    """A log at a URL: a CSV or Parquet file, or a folder of such files. The counterpart of `RawFile`."""

    session: SparkSession = field(repr=False, compare=False)
    path: str
    """The URL."""
    columns: dict[str, str]
    """Column name -> DuckDB type."""
    optional: frozenset[str] = frozenset()

    @property
    def readable(self) -> str:
        """The URL as Spark's readers take it."""
        return unpatterned(self.path)

    def state(self) -> str:
        """What changes when the content does, known without reading it."""
        files = self._files
        return f"{self.path}:{sum(one.size for one in files)}:{max(one.changed for one in files)}"

    def register(self, _: Connection, name: str) -> None:
        """DuckDB cannot read it.

        Raises:
            InputError: always.
        """
        raise InputError(f"{self.path}, {name}: only Spark reads from there")

    @cached_property
    def _files(self) -> list[Found]:
        files = [one for one in listed(self.session, self.path) if one.is_file and one.size]
        if not files:
            raise InputError(f"{self.path}: no such file")
        return files

    @cached_property
    def is_parquet(self) -> bool:
        return self._files[0].name.endswith(".parquet")

    @cached_property
    def _header(self) -> list[str]:
        if self.is_parquet:
            return list(self.session.read.parquet(self.readable).columns)
        text = read_bytes(self.session, self._files[0].url, HEADER_BYTES).decode("utf-8-sig", errors="replace")
        return next(csv.reader(text.splitlines()), [])

    def check_header(self) -> list[str]:
        """The file's column names, once the contract's are all among them.

        Raises:
            InputError: there is no file, or a column is missing or occurs twice.
        """
        names = self._header
        missing = [name for name in self.columns if name not in names and name not in self.optional]
        twice = [name for name in self.columns if names.count(name) > 1]
        if missing or twice:
            what = f"{missing[0]} is missing (found: {', '.join(names)[:200]})" if missing else f"{twice[0]} is twice"
            raise InputError(f"{self.path}: column {what}", "Give a file with KuaiRec's columns.")
        return names


def unpatterned(url: str) -> str:
    r"""A URL as Spark's readers take it, which look for a pattern: nothing in it is one.

    >>> print(unpatterned("file:///data/a b/[1].csv"))
    file:///data/a b/\[1\].csv
    """
    return re.sub(r"([][{}*?\\])", r"\\\1", url)


def mirrored(session: SparkSession, url: str, stems: Iterable[str], folder: Path) -> tuple[str, dict[str, Found]]:
    """Copy the small files of a raw folder at a URL to a folder of this machine, those that have changed.

    Args:
        session: Spark's.
        url: of the folder, or of one that KuaiRec.zip was unpacked to.
        stems: names of the files to copy, without .csv and .parquet.
        folder: is made if it is not there; files of it that are not at the URL are removed.

    Returns:
        The URL of the folder that has the files, and every file or folder in it by its name.

    Raises:
        InputError: there is no such folder, or no user_features in it.
    """
    for place in PLACES:
        base = url.rstrip("/") + ("" if place == "." else f"/{place}")
        there = {one.name: one for one in listed(session, base)}
        if f"{USERS_STEM}.csv" in there or f"{USERS_STEM}.parquet" in there:
            break
    else:
        raise InputError(
            f"--raw {url}: user_features.csv (or .parquet) is not in it", "Give the folder with KuaiRec's files."
        )
    folder.mkdir(exist_ok=True)
    wanted = {f"{stem}.{kind}" for stem in stems for kind in KINDS} & there.keys()
    for copy in folder.iterdir():
        if copy.name not in wanted:
            copy.unlink()
    for name in wanted:
        _fetch(session, there[name], folder / name)
    return base, there


def _fetch(session: SparkSession, found: Found, copy: Path) -> None:
    if copy.exists() and (copy.stat().st_size, copy.stat().st_mtime_ns // 1_000_000) == (found.size, found.changed):
        return
    draft = copy.with_name(f"draft-{copy.name}")
    path = path_of(session, found.url)

    def fetch() -> None:
        _system(session, path).copyToLocalFile(False, path, path_of(session, f"file://{draft}"), True)  # noqa: FBT003 - Java's

    _asked(found.url, fetch)
    # Told apart by its time, like any raw file.
    os.utime(draft, ns=(found.changed * 1_000_000, found.changed * 1_000_000))
    draft.replace(copy)


def listed(session: SparkSession, url: str) -> list[Found]:
    """The file at a URL, or what is in the folder there, sorted by name; nothing if there is none.

    Raises:
        InputError: no file system is known for the scheme.
        MachineError: the file system does not answer.
    """

    def ask() -> list[Found]:
        path = path_of(session, url)
        system = _system(session, path)
        found = system.listStatus(path) if system.exists(path) else []
        return sorted(
            Found(str(one.getPath().toString()), int(one.getLen()), int(one.getModificationTime()), bool(one.isFile()))
            for one in found
            if not str(one.getPath().getName()).startswith(("_", "."))
        )

    found: list[Found] = _asked(url, ask)
    return found


def read_bytes(session: SparkSession, url: str, size: int) -> bytes:
    """The first ``size`` bytes of a file, or all where it is shorter."""

    def read() -> bytes:
        path = path_of(session, url)
        stream = _system(session, path).open(path)
        try:
            return bytes(stream.readNBytes(size))
        finally:
            stream.close()

    content: bytes = _asked(url, read)
    return content


def file_system(session: SparkSession, url: str) -> Any:  # noqa: ANN401 - Java's
    """Hadoop's file system of a URL.

    Raises:
        InputError: none is known for the scheme.
    """
    return _asked(url, lambda: _system(session, path_of(session, url)))


def path_of(session: SparkSession, url: str) -> Any:  # noqa: ANN401 - Java's
    """A URL as Hadoop's own object."""
    return session.sparkContext._jvm.org.apache.hadoop.fs.Path(url)  # noqa: SLF001


def _system(session: SparkSession, path: Any) -> Any:  # noqa: ANN401 - Java's
    return path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())  # noqa: SLF001


def _asked(url: str, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the question gives
    try:
        return ask()
    except Py4JError as error:
        text = str(error)
        reason = root_reason(text)
        if "No FileSystem for scheme" in text or "ClassNotFoundException" in text:
            raise InputError(
                f"{url}: Spark knows no file system of that kind ({reason})",
                "Add its jar, for example with spark.jars.packages in spark-defaults.conf.",
            ) from None
        raise MachineError(f"{url}: {reason}", "Nothing was written.") from error
