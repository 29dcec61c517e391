"""One file over HTTP, such that a bad connection costs time and nothing else.

The bytes go to ``NAME.part``; ``NAME.part.json`` beside it remembers where they came from. A transfer that
breaks, or a process that dies, is continued with a Range request, and If-Range keeps the server from
continuing a file that has changed since. No server is believed: Content-Range must fit what is here, and the
MD5 of the whole file on disk decides in the end. Only then does the file get its name.

Failures that pass (no connection, a cut one, 5xx, 429) are repeated, with longer and longer waits, until
`Patience.attempts` in a row have brought nothing new. "New" is measured against the farthest byte ever
reached: a server that starts from zero and is cut at the same byte every time would otherwise be asked for
ever.
"""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import tenacity

from kraft.engine.process.progress import Progress, Task
from kraft.errors import DownloadError, InputError
from kraft.logs.download import headers
from kraft.logs.download.disk import disk_errors, mebibytes, require_space
from kraft.logs.download.partial_file import Origin, Part, Source
from kraft.logs.download.retry import Patience, TransientError

LARGEST_DOWNLOAD = 4 * 1024**3
"""Bytes after which a body is given up; KuaiRec.zip has a tenth of that. A server that never ends its answer
must not fill the disk."""
DISK_FACTOR = 5
"""Disk asked for before the first byte, in sizes of the archive: itself, and four times as much for its
tables (they deflate to between a third and a sixth; the exact sum is checked before unpacking)."""
BLOCK = 1024 * 1024
"""Bytes read at once when a file is hashed."""
PASSING = frozenset({408, 425, 429})
"""Client-error codes that are worth another try; so is every 5xx."""

OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE, SERVER_ERROR = 200, 206, 416, 500


@dataclass(frozen=True)
class Downloaded:
    """What a download took: bytes of the file, bytes that came over the network in this call, seconds."""

    size: int
    received: int
    seconds: float


def download(source: Source, target: Path, progress: Progress, patience: Patience | None = None) -> Downloaded:
    """Fetch ``source`` to ``target``, going on from what an earlier call has left in ``target``'s folder.

    Args:
        source: the URL and the MD5 that the file must have.
        target: where the whole, right file appears; its folder exists.
        progress: told about bytes, waits and restarts.
        patience: default ``Patience()``: about two minutes without a new byte.

    Raises:
        InputError: the URL cannot be used.
        DownloadError: refused (404 and the like), given up, too large, or the MD5 is wrong. After a wrong MD5
            nothing is kept; otherwise the part is, and the next call goes on from there.
        MachineError: the disk is full or fails.
    """
    started = time.monotonic()
    with disk_errors():
        transfer = _Transfer(Part(target, source), progress, patience or Patience())
        transfer.run()
        size = transfer.part.size
        found = md5_of(transfer.part.path, progress)
        if found != source.md5:
            transfer.part.discard()
            raise DownloadError(
                f"{source.url}: the file's md5 is {found}, expected {source.md5}; nothing of it is kept",
                "Repeat the command, or give the md5 of another version with --md5.",
            )
        transfer.part.publish(target)
    return Downloaded(size, transfer.received, time.monotonic() - started)


def md5_of(path: Path, progress: Progress) -> str:
    """The MD5 of a file's bytes as they are on disk now, 32 hex digits in lower case."""
    digest = hashlib.md5(usedforsecurity=False)
    with (
        progress.task(f"checking {path.name}", path.stat().st_size, unit="B") as task,
        path.open("rb") as file,
    ):
        while block := file.read(BLOCK):
            digest.update(block)
            task.advance(len(block))
    return digest.hexdigest()


class _Transfer:
    """The attempts of one download."""

    def __init__(self, part: Part, progress: Progress, patience: Patience) -> None:
        self.part = part
        self.received = 0
        self._progress = progress
        self._patience = patience
        self._furthest = part.size
        self._fruitless = 0
        self._ended = part.complete

    def run(self) -> None:
        """Request until the file is complete or patience is at its end."""
        if self._ended:
            return
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=lambda _: self._fruitless >= self._patience.attempts,
            wait=self._wait,
            before_sleep=self._tell,
            sleep=self._patience.sleep,
            reraise=True,
        )
        try:
            with self._client() as client:
                retrying(self._attempt, client)
        except TransientError as error:
            raise self._gave_up(error) from error

    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self._patience.timeout)
        # The file's own bytes are wanted: a compressed answer could not be continued at a byte of the file.
        return httpx.Client(
            follow_redirects=True,
            timeout=timeout,
            headers={"Accept-Encoding": "identity", "User-Agent": "kraft"},
        )

    def _attempt(self, client: httpx.Client) -> None:
        url = self.part.origin.url
        try:
            self._request(client)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise InputError(f"--url {url}: {error}", "Give an address that starts with https://.") from error
        except httpx.TooManyRedirects as error:
            raise DownloadError(f"{url}: {error}", "Check the address, or give a mirror with --url.") from error
        except httpx.TransportError as error:
            self._count_attempt()
            raise TransientError(str(error) or type(error).__name__) from error
        except TransientError:
            self._count_attempt()
            raise

    def _count_attempt(self) -> None:
        if self.part.size > self._furthest:
            self._furthest, self._fruitless = self.part.size, 0
        self._fruitless += 1

    def _request(self, client: httpx.Client) -> None:
        have = self.part.size
        wanted = {}
        if have:
            wanted["Range"] = f"bytes={have}-"
            if self.part.origin.validator:
                wanted["If-Range"] = self.part.origin.validator
        with client.stream("GET", self.part.origin.url, headers=wanted) as response:
            self._prepare(response, have)
            if not self._ended:
                self._save(response)

    def _prepare(self, response: httpx.Response, have: int) -> None:
        """Bring the part to the byte where the answer's body begins, or raise."""
        status = response.status_code
        if response.headers.get("Content-Encoding", "identity") != "identity":
            encoding = response.headers["Content-Encoding"]
            raise DownloadError(
                f"{response.url}: the server insists on Content-Encoding {encoding}",
                "Give a mirror with --url.",
            )
        if status == OK:
            self._restart(response, have)
        elif status == PARTIAL_CONTENT:
            self._continue(response, have)
        elif status == RANGE_NOT_SATISFIABLE:
            self._compare_ends(response, have)
        elif status in PASSING or status >= SERVER_ERROR:
            raise TransientError(f"the server answered {_status(response)}", self._retry_after(response))
        else:
            raise DownloadError(
                f"{response.url}: the server answered {_status(response)}",
                "Check the address, or give a mirror with --url.",
            )

    def _restart(self, response: httpx.Response, have: int) -> None:
        if have:
            self._progress.say("the server cannot continue this file, or it has changed: starting again")
        total = headers.number(response.headers.get("Content-Length"))
        self._check_size(total)
        require_space(self.part.path.parent, DISK_FACTOR * (total or 0), "the download and its tables")
        self.part.restart(self._named(response, total))

    def _continue(self, response: httpx.Response, have: int) -> None:
        start, total = headers.content_range(response.headers.get("Content-Range", ""))
        named = self._named(response, total)
        before = self.part.origin
        # Servers exist that ignore If-Range, and mirrors behind one name that disagree.
        pairs = ((before.etag, named.etag), (before.total, total))
        another = any(old is not None and new is not None and old != new for old, new in pairs)
        if not have or start != have or another:
            self.part.discard()
            raise TransientError("the server continued another file than the one begun")
        if before.total is None and total is not None:
            self._check_size(total)
            self.part.remember(replace(before, total=total))
        require_space(self.part.path.parent, DISK_FACTOR * (total or 0) - have, "the download and its tables")
        if not self.received:
            self._progress.say(f"going on at {mebibytes(have)}, which an earlier call left here")

    def _compare_ends(self, response: httpx.Response, have: int) -> None:
        """After 416 (nothing there to send): either all is here already, or too much is."""
        _, total = headers.content_range(response.headers.get("Content-Range", ""))
        if have and total == have:
            # The size that was announced first was wrong; the MD5 decides whether this one is right.
            self.part.remember(replace(self.part.origin, total=total))
            self._ended = True
        else:
            self.part.discard()
            raise TransientError(f"the server has no byte {have:,}")

    def _save(self, response: httpx.Response) -> None:
        size, total = self.part.size, self.part.origin.total
        remaining = None if total is None else total - size
        with (
            self._progress.task("downloading", remaining, unit="B") as task,
            self.part.path.open("ab") as file,
        ):
            for chunk in response.iter_raw():
                size += len(chunk)
                self._check_end(size, total)
                file.write(chunk)
                self._arrived(task, len(chunk))
        if total is not None and size < total:
            raise TransientError(f"the answer ended at byte {size:,} of {total:,}")
        self._ended = True

    def _arrived(self, task: Task, amount: int) -> None:
        self.received += amount
        task.advance(amount)

    def _check_end(self, size: int, total: int | None) -> None:
        if total is not None and size > total:
            self.part.discard()
            raise TransientError(f"the answer went on after byte {total:,}, where the file should end")
        self._check_size(size)

    def _check_size(self, size: int | None) -> None:
        if size and size > LARGEST_DOWNLOAD:
            self.part.discard()
            raise DownloadError(
                f"{self.part.origin.url}: more than {mebibytes(LARGEST_DOWNLOAD)}",
                "KuaiRec.zip has about 412 MiB: check the address.",
            )

    def _named(self, response: httpx.Response, total: int | None) -> Origin:
        return replace(
            self.part.origin,
            etag=headers.validator(response.headers.get("ETag")),
            last_modified=headers.validator(response.headers.get("Last-Modified")),
            total=total,
        )

    def _retry_after(self, response: httpx.Response) -> float:
        seconds = headers.retry_after(response.headers.get("Retry-After", ""))
        if seconds > self._patience.longest_retry_after:
            raise DownloadError(
                f"{response.url}: the server answered {_status(response)} and asks to wait {seconds:,.0f} s",
                "Repeat the command then, or give a mirror with --url.",
            )
        return seconds

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransientError) else 0.0
        return self._patience.seconds(self._fruitless, asked)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._progress.say(
            f"{error}; {mebibytes(self.part.size)} are here, again in {state.upcoming_sleep:.1f} s "
            f"(attempt {self._fruitless + 1} of {self._patience.attempts})"
        )

    def _gave_up(self, error: TransientError) -> DownloadError:
        have = self.part.size
        kept = f"{mebibytes(have)} are kept: repeat the command to go on from there" if have else "Nothing was written"
        return DownloadError(
            f"{self.part.origin.url}: {error}; gave up after {self._fruitless} attempts without a new byte",
            f"{kept}. Another server can be named with --url.",
        )


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()
