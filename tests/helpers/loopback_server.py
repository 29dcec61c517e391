"""A real HTTP server on loopback that misbehaves as told, one answer after the other.

with FaultyServer(body, [Answer(cut=100), Answer(status=503)]) as server:
    ...  # the first request is cut, the second refused, all later ones are served properly
"""

import contextlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Answer:
    """How one request is answered; the default is properly, as RFC 9110 has it."""

    status: int | None = None
    """Answer with this code and no body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent beside or instead of the usual ones; an empty value leaves the header out."""
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    stall: int | None = None
    """Send so many bytes of the body, then nothing more until the server stops."""
    length_lie: int = 0
    """Added to the Content-Length that is true."""
    body: bytes | None = None
    """Serve these bytes as the file."""
    ignore_range: bool = False
    ignore_if_range: bool = False
    etag: str | None = None
    """Another ETag than the server's own; "" for none."""


class FaultyServer:
    """Serves ``body`` at `url`. ``requests`` holds the headers of every request so far."""

    def __init__(self, body: bytes, script: Iterable[Answer] = (), etag: str = '"one"') -> None:
        self.body, self.etag = body, etag
        self.script = list(script)
        self.always: Answer | None = None
        """Where set, the answer after the end of the script."""
        self.requests: list[dict[str, str]] = []
        self.stopping = threading.Event()
        server = self

        class Handler(_Handler):
            faulty = server

        self._httpd = _Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._httpd.server_port}/KuaiRec.zip"

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("range") for headers in self.requests]

    def reset(self, body: bytes, script: Iterable[Answer] = ()) -> None:
        self.body, self.script, self.requests = body, list(script), []

    def next_answer(self) -> Answer:
        return self.script.pop(0) if self.script else self.always or Answer()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: FaultyServer

    def do_GET(self) -> None:
        self.faulty.requests.append({name.lower(): value for name, value in self.headers.items()})
        answer = self.faulty.next_answer()
        # One request a connection: what a lie leaves unread must not be taken for the next answer.
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            if answer.status is not None:
                self._head(answer.status, {"Content-Length": "0"} | answer.headers)
            else:
                self._serve(answer)

    def _serve(self, answer: Answer) -> None:
        whole = self.faulty.body if answer.body is None else answer.body
        etag = self.faulty.etag if answer.etag is None else answer.etag
        start = self._start(answer, etag)
        usual = {"ETag": etag, "Accept-Ranges": "bytes"}
        if start and start >= len(whole):
            self._head(416, usual | {"Content-Range": f"bytes */{len(whole)}", "Content-Length": "0"})
            return
        if start is not None:
            usual["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        rest = whole[start or 0 :]
        usual["Content-Length"] = str(len(rest) + answer.length_lie)
        self._head(200 if start is None else 206, usual | answer.headers)
        self._send(rest, answer)

    def _start(self, answer: Answer, etag: str) -> int | None:
        """The byte to begin at, or None for the whole file."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not asked or answer.ignore_range:
            return None
        if condition is not None and condition != etag and not answer.ignore_if_range:
            return None
        return int(asked[1])

    def _send(self, rest: bytes, answer: Answer) -> None:
        ends = [end for end in (answer.cut, answer.stall) if end is not None]
        self.wfile.write(rest[: min(ends)] if ends else rest)
        self.wfile.flush()
        if answer.stall is not None:
            self.faulty.stopping.wait(30)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """stderr belongs to what is tested."""
