"""A plain reading of raw files, character by character, that shares no code with KRAFT: what has to come out of them.

A log is CSV after RFC 4180, in UTF-8, its lines ended by LF, CR LF or CR; empty lines are no rows. Beyond that,
blanks around numbers, commas behind the last field, and bytes in a column that nobody reads are passed
over; a row whose quote is never closed costs its first line alone.
"""

import math
import re
from typing import NamedTuple

LOG = {
    "user_id": "int", "video_id": "int", "play_duration": "int", "video_duration": "int", "date": "int",
    "timestamp": "float", "watch_ratio": "float",
}  # fmt: skip
VIDEOS = {"video_id": "int", "feat": "text"}
OPTIONAL = {"date"}
INT32 = range(-(2**31), 2**31)
NUMBER = re.compile(r"[+-]?(\d+(_\d+)*\.?|\d*(\d_\d+)*\.\d+(_\d+)*|\d+(_\d+)*\.\d+(_\d+)*)([eE][+-]?\d+)?", re.ASCII)
WORDS = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE | re.ASCII)
BLANKS = " \t\n\v\f\r"
BAD = object()


class Read(NamedTuple):
    """What is in a file."""

    rows: list
    """(line, values by column) of the good ones."""
    bad: list
    """Lines of the others."""
    unsure: bool
    """Whether the whole may be refused, although it can be read row by row."""


def read_csv(content, columns, accept, *, strays=False, optional=OPTIONAL, also=None):
    """Rows of the bytes of a CSV file; None where it is bad as a whole.

    ``strays``: quoted fields may hold CR. ``also``: column -> what it is called where its own name is not there.
    """
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    end = _line_end(text)
    lines = text.split(end)
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        return None
    header, taken = _record(lines, 0, end, strays)
    if header is None or not _is_text("".join(header)) or lines[0].rstrip("\r") == "":
        return None
    header = _renamed(header, also or {})
    if any(header.count(name) != 1 for name in columns if name not in optional or name in header):
        return None
    places = {name: header.index(name) for name in columns if name in header}
    rows, bad, unsure = [], [], end == "\r" and "\n" in text
    at = taken
    while at < len(lines):
        line = lines[at].removesuffix("\r") if end == "\n" else lines[at]
        unsure |= end == "\n" and lines[at].endswith("\r") != lines[0].endswith("\r")
        if not line:
            at += 1
            continue
        fields, taken = _record(lines, at, end, strays)
        if fields is not None and len(fields) == len(header) + 1 and not fields[-1]:
            fields.pop()
        values = BAD
        if fields is not None and len(fields) == len(header):
            texts = {name: fields[place] for name, place in places.items()}
            values = typed(texts, columns)
        if values is not BAD and accept(values):
            rows.append((at + 1, values))
        else:
            bad.append(at + 1)
            taken = 1 if fields is None or len(fields) != len(header) else taken
        at += taken
    return Read(rows, bad, unsure)


def _renamed(header, also):
    for name, other in also.items():
        if name not in header:
            header = [name if one == other else one for one in header]
    return header


def _line_end(text):
    first = text[: text.find("\n")] if "\n" in text else text
    before, found, _ = first.rstrip("\r").partition("\r")
    return "\r" if found and before.count('"') % 2 == 0 else "\n"


def _record(lines, at, end, strays):  # noqa: C901, PLR0912 - one automaton
    """Fields of the record that begins at a line, and the lines that it takes; None where it is none."""
    fields, field, taken = [], "", 1
    quoted = closed = False
    text = lines[at]
    text = text.removesuffix("\r") if end == "\n" else text
    if "\r" in text and not strays:
        return None, 1
    place = 0
    while True:
        if place == len(text):
            if not quoted or closed:
                fields.append(field)
                return fields, taken
            if at + taken == len(lines):
                return None, 1
            more = lines[at + taken]
            more = more.removesuffix("\r") if end == "\n" else more
            if "\r" in more and not strays:
                return None, 1
            text, taken = text + "\n" + more, taken + 1
            continue
        char = text[place]
        if quoted and not closed:
            if char == '"' and text[place + 1 : place + 2] == '"':
                field, place = field + '"', place + 1
            elif char == '"':
                closed = True
            else:
                field += char
        elif char == ",":
            fields.append(field)
            field, quoted, closed = "", False, False
        elif closed or char == "\r":
            return None, 1
        elif char == '"' and not field:
            quoted = True
        else:
            field += char
        place += 1


def typed(texts, columns):
    """Values by column, None where the text is empty; BAD where one is not of its type."""
    values = dict.fromkeys(columns)
    for name, text in texts.items():
        if not _is_text(text):
            return BAD
        if text:
            values[name] = text if columns[name] == "text" else number(text, whole=columns[name] == "int")
            if values[name] is BAD:
                return BAD
    return values


def number(text, *, whole):
    text = text.strip(BLANKS)
    if not (NUMBER.fullmatch(text) or WORDS.fullmatch(text)):
        return BAD
    value = float(text)
    if not whole:
        return value
    return int(value) if math.isfinite(value) and value == int(value) and int(value) in INT32 else BAD


def _is_text(text):
    return not any("\ud800" <= char <= "\udfff" for char in text)


def is_given(row):
    """Whether the values of a row of a file that a user hands over can be: ids from 0 on, finite numbers."""
    for name, value in row.items():
        if name.endswith("_id") and (value is None or value < 0):
            return False
        if name == "score" and value is None:
            return False
        if isinstance(value, float) and not math.isfinite(value):
            return False
    return True


def is_interaction(row):
    """Whether the values of a row of the log can be."""
    user, video, play, length = (row[name] for name in ("user_id", "video_id", "play_duration", "video_duration"))
    ratio, moment = row["watch_ratio"], row["timestamp"]
    if None in {user, video, play, length} or ratio is None or min(user, video, play) < 0 or length <= 0:
        return False
    if not 0 <= ratio < 1e9 or not (moment is None or 0 <= moment < 4102444800):
        return False
    return not abs(ratio - play / length) > 0.01 + 0.01 * play / length


def videos_once():
    """Whether a row of item_categories can be, after those before it."""
    met = set()

    def accept(row):
        listed = row["feat"] is None or re.fullmatch(
            r" *\[ *([0-9]{1,9}( *, *[0-9]{1,9})*)? *\] *", row["feat"], re.ASCII
        )
        if not listed or row["video_id"] is None or row["video_id"] < 0 or row["video_id"] in met:
            return False
        met.add(row["video_id"])
        return True

    return accept
