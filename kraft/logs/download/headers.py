"""The few HTTP headers that a download reads, parsed so that nonsense counts as absent (RFC 9110)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def number(text: str | None) -> int | None:
    """A Content-Length, or None."""
    return int(text) if text and text.isascii() and text.isdigit() else None


def validator(text: str | None) -> str | None:
    """An ETag or Last-Modified that can be sent back, or None: headers carry ASCII."""
    return text if text and text.isascii() else None


def content_range(text: str) -> tuple[int | None, int | None]:
    """First byte and size of the whole file out of ``bytes 7-99/100``, ``bytes 7-99/*``, ``bytes */100``."""
    match = re.fullmatch(r"bytes\s+(?:(\d+)-\d+|\*)/(\d+|\*)", text.strip(), flags=re.ASCII)
    return (number(match[1]), number(match[2])) if match else (None, None)


def retry_after(text: str) -> float:
    """Seconds from now; Retry-After holds seconds or a date. 0 where it is missing or makes no sense."""
    if (seconds := number(text.strip())) is not None:
        return float(seconds)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
