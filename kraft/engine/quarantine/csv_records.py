"""The rows of a CSV file, good or bad, each once and with its line, which a reader that skips bad rows cannot say."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from kraft.engine.sql.csv_texts import PRIVATE

SHOWN: Final = 200
"""Characters of a value, or of an unreadable row, that are kept."""
MOST_LINES: Final = 100
"""Lines that a quoted field may reach over; a quote that is closed still later was never meant to be one."""


class Record(NamedTuple):
    """A row of a CSV file, or what stands in place of one."""

    line: int
    fields: list[str] | None
    """None if it is not a row."""
    text: str = ""
    reason: str = ""


def records(path: Path, width: int, used: Sequence[int], *, stray_line_ends: bool = False) -> Iterator[Record]:
    """The rows of a CSV file below its header, each once, with the line that it begins at; empty lines are none.

    Args:
        path: UTF-8, or nearly so.
        width: fields of a row.
        used: positions of the fields that have to be UTF-8; nobody reads the others.
        stray_line_ends: fields may hold bare carriage returns.

    An unreadable line costs that line alone: the next one is looked at afresh.
    """
    with path.open("rb") as file:
        first = file.readline(1 << 20).rstrip(b"\r\n")
    # A carriage return outside of quotes, and not before a line feed: it ends the lines of this file.
    before, found, _ = first.partition(b"\r")
    ends = "\r" if found and not stray_line_ends and before.count(b'"') % 2 == 0 else "\n"
    stand_in = chr(PRIVATE[0])
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=ends) as file:
        waiting = _Lines(file)
        header = True
        while (line := waiting.take()) is not None:
            number = waiting.number
            text = line.removesuffix("\n").removesuffix("\r")
            if header:
                header = False
                if _parse(text)[0] is None:
                    _longer(text, width, waiting)
                continue
            if not text:
                continue
            record = _record(number, text, width, waiting, stand_in if stray_line_ends else "")
            # Fields may go on over lines that were not looked at yet.
            checked = text.isascii() and waiting.number == number
            if record.fields and not checked and not all(_is_utf8(record.fields[position]) for position in used):
                record = Record(number, None, _shown(text), "not UTF-8 text")
            yield record


def _record(number: int, text: str, width: int, lines: "_Lines", stand_in: str) -> Record:
    shown = _shown(text)
    if "\r" in text:
        if not stand_in:
            return Record(number, None, shown, "a carriage return in the middle of the row")
        text = text.replace("\r", stand_in)
    fields, reason = _parse(text)
    if fields is None and reason == OPEN:
        fields, reason = _longer(text, width, lines)
    if fields is None:
        return Record(number, None, shown, f"not a valid CSV row ({reason})")
    fields = _without_commas_behind(fields, width)
    if len(fields) != width:
        return Record(number, None, shown, f"{len(fields)} fields where the header has {width}")
    if stand_in:
        fields = [one.replace(stand_in, "\r") for one in fields]
    return Record(number, fields)


OPEN: Final = "a quote is not closed"


def _parse(text: str) -> tuple[list[str] | None, str]:
    if '"' not in text:
        return text.split(","), ""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True)), ""
    except csv.Error as error:
        return None, OPEN if "unexpected end of data" in str(error) else "text beside a quote"


def _without_commas_behind(fields: list[str], width: int) -> list[str]:
    """Commas behind the last field are passed over, as DuckDB does."""
    return fields if any(fields[width:]) else fields[:width]


def _longer(text: str, width: int, lines: "_Lines") -> tuple[list[str] | None, str]:
    """The row that goes on over the next lines, which are taken if it is one."""
    for taken, more in enumerate(lines.ahead(MOST_LINES), start=1):
        text += "\n" + more.removesuffix("\n").removesuffix("\r")
        fields, reason = _parse(text)
        if fields is not None and len(_without_commas_behind(fields, width)) == width and "\r" not in text:
            lines.skip(taken)
            return fields, ""
        if reason != OPEN:
            break
    return None, OPEN


class _Lines:
    """Lines of a file, with a look ahead."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._ahead: list[str] = []
        self.number = 0
        """Of the line that was taken last, from 1."""

    def take(self) -> str | None:
        self.number += 1
        return self._ahead.pop(0) if self._ahead else next(self._lines, None)

    def ahead(self, most: int) -> Iterator[str]:
        for index in range(most):
            if index == len(self._ahead):
                line = next(self._lines, None)
                if line is None:
                    return
                self._ahead.append(line)
            yield self._ahead[index]

    def skip(self, count: int) -> None:
        del self._ahead[:count]
        self.number += count


def _shown(text: str) -> str:
    return text[:SHOWN].encode("utf-8", "replace").decode()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
