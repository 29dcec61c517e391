"""A file that is still arriving: ``NAME.part``, and ``NAME.part.json``, which names its bytes' origin."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kraft.logs.download.disk import publish, publish_text


@dataclass(frozen=True)
class Source:
    """What to fetch: an http(s) URL and the MD5 (32 hex digits, lower case) of the whole file."""

    url: str
    md5: str


OFFICIAL = Source(
    "https://zenodo.org/records/18164998/files/KuaiRec.zip",
    "261550d472c48eff4990fb13c0e5bcf7",
)
"""The dataset's own record, and the MD5 that the record states."""


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a part come from, as the server named it; kept beside the part as JSON."""

    url: str
    md5: str
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None
    """Bytes of the whole file; None if the server does not say."""

    @property
    def validator(self) -> str | None:
        """The value for If-Range. A weak ETag (``W/...``) promises equal meaning, not equal bytes."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class Part:
    """The bytes that have arrived, and their origin."""

    def __init__(self, target: Path, source: Source) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._sidecar = target.with_name(f"{target.name}.part.json")
        self.origin = Origin(source.url, source.md5)
        found = self._read_origin()
        if found and (found.url, found.md5) == (source.url, source.md5):
            self.origin = found
        else:
            # Bytes of another file, or of nobody knows which, cannot be continued.
            self.discard()

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        return self.path.exists() and self.size == self.origin.total

    def restart(self, origin: Origin) -> None:
        """Begin at byte 0. The part is emptied first: old bytes must never meet a new origin."""
        self.path.write_bytes(b"")
        self.remember(origin)

    def remember(self, origin: Origin) -> None:
        self.origin = origin
        publish_text(TypeAdapter(Origin).dump_json(origin, indent=1).decode(), self._sidecar)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._sidecar.unlink(missing_ok=True)
        self.origin = Origin(self.origin.url, self.origin.md5)

    def publish(self, target: Path) -> None:
        publish(self.path, target)
        self._sidecar.unlink(missing_ok=True)

    def _read_origin(self) -> Origin | None:
        try:
            return TypeAdapter(Origin).validate_json(self._sidecar.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
