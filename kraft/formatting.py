"""Numbers as people read them: metrics, shares, counts, times, and lists of names."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

Found = Mapping[str, Any]
"""A part of a report: value, low and high of an estimate, or more."""
UNDEFINED = "undefined"
EPOCH = date(1970, 1, 1)
ZONE = timedelta(hours=8)
"""KuaiRec's own time is UTC+8."""
SOURCES: Final = {
    "watch_time": "watch time",
    "als": "ALS",
    "popular": "popular",
    "categories": "their categories",
    "similar": "similar videos",
    "new": "new videos",
}
"""Sources of candidates, as people call them."""


def figure(value: float | None, sign: str = "", digits: int = 4) -> str:
    """A metric.

    >>> figure(0.75621), figure(0.153, "+", 3), figure(None)
    ('0.7562', '+0.153', 'undefined')
    """
    # Not -0.0000.
    return UNDEFINED if value is None else f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def interval(estimate: Found, sign: str = "", digits: int = 4) -> str:
    """The interval of an estimate in brackets; empty if it has none."""
    if estimate["low"] is None:
        return ""
    return f"[{figure(estimate['low'], sign, digits)}, {figure(estimate['high'], sign, digits)}]"


def told(estimate: Found, sign: str = "", digits: int = 3) -> str:
    """An estimate within a sentence.

    >>> told({"value": 0.7562, "low": 0.7303, "high": 0.7797})
    '0.756 [0.730, 0.780]'
    """
    return f"{figure(estimate['value'], sign, digits)} {interval(estimate, sign, digits)}".rstrip()


def share(part: float, whole: float) -> float | None:
    """What ``part`` is of ``whole``; None of nothing."""
    return part / whole if whole else None


def percent(part: float | None, digits: int = 1) -> str:
    """A share of 0 to 1.

    >>> percent(0.256), percent(None)
    ('25.6%', 'undefined')
    """
    return UNDEFINED if part is None else f"{part:.{digits}%}"


def listed(names: Sequence[object]) -> str:
    """Names in a sentence.

    >>> listed([10, 20, 50]), listed(["kraft"]), listed([])
    ('10, 20 and 50', 'kraft', 'none')
    """
    texts = [str(name) for name in names]
    if len(texts) < len(("this", "that")):
        return texts[0] if texts else "none"
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def pairs(texts: Mapping[str, str]) -> str:
    """Names with what is said of each.

    >>> pairs({"kraft": "0.756", "random": "0.295"})
    'kraft 0.756, random 0.295'
    """
    return ", ".join(f"{name} {text}" for name, text in texts.items())


def pluralize(number: int, thing: str, things: str = "") -> str:
    """A number and what it counts.

    >>> pluralize(1, "user"), pluralize(1411, "user"), pluralize(2, "category", "categories")
    ('1 user', '1,411 users', '2 categories')
    """
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def minute(timestamp: float) -> str:
    """A unix time in UTC+8.

    >>> minute(1593878903.5)
    '2020-07-05 00:08'
    """
    return f"{datetime.fromtimestamp(timestamp, UTC) + ZONE:%Y-%m-%d %H:%M}"


def day_of(number: int) -> date:
    """The day that many days after 1970-01-01.

    >>> str(day_of(18448))
    '2020-07-05'
    """
    return EPOCH + timedelta(days=number)


def plain_names(sources: str) -> str:
    """What `kraft.models.candidates.names_of` gives, for people.

    >>> plain_names("als+new")
    'ALS, new videos'
    """
    return ", ".join(SOURCES.get(name, name) for name in sources.split("+") if name)
