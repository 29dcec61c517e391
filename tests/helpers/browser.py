"""Looks at a page in headless Chromium, over the browser's own DevTools protocol (a pipe: no driver, no port)."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
SECONDS = 60
PAPER = 718
"""Width of A4 between margins of a centimetre [CSS pixels]."""
SHOWN = """(() => {
  const images = [...document.querySelectorAll('svg, img')].filter(one => one.getClientRects().length);
  return {
    width: document.documentElement.scrollWidth,
    images: images.map(one => [one.getBoundingClientRect().width, one.getBoundingClientRect().height]),
    unnamed: images.filter(one => one.getAttribute('role') !== 'img' || !one.getAttribute('aria-label')).length,
    smallest_text: Math.min(...images.flatMap(one => [...one.querySelectorAll('text')])
      .filter(one => one.textContent.trim())
      .map(one => one.getBBox().height * Math.hypot(one.getScreenCTM().c, one.getScreenCTM().d))),
    cut_text: images.flatMap(one => [...one.querySelectorAll('text')].filter(text => {
      const [inner, outer] = [text.getBoundingClientRect(), one.getBoundingClientRect()];
      return inner.left < outer.left - 2 || inner.right > outer.right + 2
        || inner.top < outer.top - 2 || inner.bottom > outer.bottom + 2;
    })).map(text => text.textContent),
    repeated_ids: [...document.querySelectorAll('[id]')].length
      - new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size,
    dead_links: [...document.querySelectorAll('a[href^="#"]')]
      .filter(one => !document.getElementById(one.getAttribute('href').slice(1))).length,
    downloads: [...document.querySelectorAll('a[download]')].length,
    background: getComputedStyle(document.body).backgroundColor,
  };
})()"""


@dataclass
class Look:
    """What a browser said of a page."""

    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console."""
    requests: list[str] = field(default_factory=list)
    """Addresses asked for beside the page itself."""
    shown: dict = field(default_factory=dict)
    """What `SHOWN` measured [CSS pixels]."""


def look_at(page: Path, *, width: int, dark: bool = False, paper: bool = False, picture: Path | None = None) -> Look:
    """Open a page at a width, on a screen or on ``paper``.

    Skips the test where no browser is installed, but for CI, which installs one.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        assert not os.environ.get("CI"), "no Chromium on PATH, and CI looks at every page"
        pytest.skip("no Chromium on PATH")
    look = Look()
    with _session(browser, look) as call:
        for domain in ("Page", "Runtime", "Log", "Network"):
            call(f"{domain}.enable")
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        call("Emulation.setEmulatedMedia", media="print" if paper else "screen", features=features)
        call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        call("Page.navigate", until="Page.loadEventFired", url=page.resolve().as_uri())
        look.shown = call("Runtime.evaluate", expression=SHOWN, returnByValue=True)["result"]["value"]
        if picture:
            shot = call("Page.captureScreenshot", captureBeyondViewport=True)
            picture.write_bytes(base64.b64decode(shot["data"]))
    look.requests = [url for url in look.requests if url != page.resolve().as_uri() and not url.startswith("data:")]
    return look


@contextmanager
def _session(browser: str, look: Look):
    """A tab of a browser of its own; yields a function that calls a method of the protocol."""
    (to_browser, own_end), (own_start, from_browser) = os.pipe(), os.pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile, ExitStack() as files:
        requests = files.enter_context(os.fdopen(own_end, "wb"))
        answers = files.enter_context(os.fdopen(own_start, "rb", buffering=0))
        # The protocol is spoken over the file descriptors 3 and 4, which may be others' here: first out of their way.
        moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 10) for one in (to_browser, from_browser)]
        silent = [(os.POSIX_SPAWN_OPEN, one, os.devnull, os.O_RDWR, 0) for one in (1, 2)]
        spoken = [(os.POSIX_SPAWN_DUP2, one, end) for one, end in zip(moved, (3, 4), strict=True)]
        process = os.posix_spawn(
            browser,
            [browser, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            file_actions=silent + spoken,
        )
        for one in (to_browser, from_browser, *moved):
            os.close(one)
        try:
            yield _Caller(requests, answers, look)
        finally:
            # Once nobody speaks to it, it ends, and its own processes with it.
            files.close()
            if not _ended(process):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)


def _ended(process: int) -> bool:
    for _ in range(100):
        if os.waitpid(process, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    return False


class _Caller:
    def __init__(self, requests, answers, look: Look) -> None:
        self._requests, self._answers, self._look = requests, answers, look
        self._number, self._tab, self._rest = 0, None, b""
        page = next(one for one in self("Target.getTargets")["targetInfos"] if one["type"] == "page")
        self._tab = self("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]

    def __call__(self, method: str, *, until: str = "", **parameters):
        """The result of a method, once the event ``until`` came too."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._tab:
            message["sessionId"] = self._tab
        self._requests.write(json.dumps(message).encode() + b"\0")
        self._requests.flush()
        result, came = None, not until
        while result is None or not came:
            answer = self._next()
            came = came or answer.get("method") == until
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result = answer["result"]
            self._note(answer.get("method"), answer.get("params", {}))
        return result

    def _next(self) -> dict:
        while b"\0" not in self._rest:
            assert select.select([self._answers], [], [], SECONDS)[0], f"the browser said nothing for {SECONDS} s"
            read = self._answers.read(1 << 20)
            assert read, "the browser ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: str | None, told: dict) -> None:
        if event == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self._look.complaints.append(str(told["args"]))
        elif event == "Runtime.exceptionThrown":
            self._look.complaints.append(told["exceptionDetails"]["text"])
        elif event == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self._look.complaints.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self._look.requests.append(told["request"]["url"])
