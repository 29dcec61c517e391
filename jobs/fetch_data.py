"""Bring KuaiRec's tables to this machine: ``python -m jobs.fetch_data``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from jobs._command import run
from kraft.engine.process.progress import Progress
from kraft.logs.download.disk import mebibytes
from kraft.logs.download.partial_file import OFFICIAL, Source
from kraft.settings import OutputFolder

if TYPE_CHECKING:
    from kraft.logs.download.fetch import Fetched


class Options(BaseModel):
    """Download KuaiRec.zip, check it, and unpack its tables to `<to>/KuaiRec 2.0/data`.

    About 432 MB. A download that broke off goes on where it stopped; where everything is there
    already, nothing is done. Lost or truncated tables are restored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    to: OutputFolder = Path("data")
    """Folder for the data; made if it is not there."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] = OFFICIAL.url
    """Address of the archive; give a mirror's if the official one is slow or away."""
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] = OFFICIAL.md5
    """MD5 that the archive must have. The default is the official file's, for the official address and
    every mirror of it; give another one only for a mirror of another version."""
    keep_archive: bool = False
    """Keep KuaiRec.zip after unpacking: a repair then needs no download, for 432 MB of disk."""
    quiet: bool = False
    """Print only results and errors."""
    verbose: bool = False
    """Also print details: the archive's members that are left out."""


def main(options: Options) -> None:
    from kraft.logs.download.fetch import fetch

    progress = Progress(-1 if options.quiet else int(options.verbose))
    source = Source(options.url, options.md5.lower())
    fetched = fetch(options.to, source, progress, keep_archive=options.keep_archive)
    for line in summary(fetched, options.to):
        print(line)


def summary(fetched: "Fetched", to: Path) -> list[str]:
    """What the command says in the end, a line an entry."""
    from kraft.logs.download.fetch import ARCHIVE

    total = f"{len(fetched.sizes)} files, {mebibytes(sum(fetched.sizes.values()))} in {fetched.folder}"
    if not fetched.written:
        return [f"fetch_data  nothing to do: {total}, as fetched before", _next(to)]
    lines = [f"fetch_data  {total}   {fetched.seconds:.1f} s"]
    if took := fetched.downloaded:
        rate = mebibytes(int(took.received / max(took.seconds, 1e-9)))
        earlier = took.size - took.received
        before = f", {mebibytes(earlier)} were here from before" if earlier > 0 else ""
        lines.append(f"  downloaded  {mebibytes(took.received)} in {took.seconds:.1f} s, {rate}/s{before}")
    kept = len(fetched.sizes) - len(fetched.written)
    if kept:
        lines.append(f"  restored  {', '.join(fetched.written)}; the other {kept} were whole")
    if fetched.left_out:
        lines.append(f"  left out  {len(fetched.left_out)} members that are not tables (--verbose lists them)")
    if (to / ARCHIVE).exists():
        lines.append(f"  kept  {to / ARCHIVE}")
    return [*lines, _next(to)]


def _next(to: Path) -> str:
    return f"next      python -m jobs.score --raw {shlex.quote(str(to))} --out submission.parquet"


if __name__ == "__main__":
    run(Options, main)
