"""Why a pair has its score: each feature's part of it, in plain words.

LightGBM splits the raw score of a row into one part a feature and the average of all rows (TreeSHAP: Lundberg et al.
2018, arXiv 1802.03888); the parts add up. What a feature means is what the header in `sql/` says of its column, but for
the few whose line there leans on the lines around it, and for what no file of `sql/` makes.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final, NamedTuple

from kraft import columns
from kraft.engine.sql.queries import all_queries
from kraft.formatting import plain_names

AVERAGE: Final = "the average of all rows"
UNKNOWN: Final = "unknown"
OWN_TEXTS: Final = {
    "user_level": "how long the user stays with videos, against the mean user [log times]",
    "video_level": "how long people stay with the video, against the mean of all videos [log times]",
    "taste": "what the user's taste for such videos does to the watch time [log times]",
    "margin": "predicted watch time, against the video's length [log times]",
    "margin_of_video": "watch time predicted for the mean user, against the video's length [log times]",
    "margin_of_user": "watch time predicted for the mean video, against this video's length [log times]",
    "margin_in_sd": "how far predicted watch time is beyond the video's length [sd]",
    "uncertainty": "how far off the predicted watch time may be, one standard deviation [log times]",
    "user_rate": "the user's smoothed positive rate [0 to 1]",
    "user_ratio": "smoothed mean of the user's watch ratios, each cut at 5",
    "user_log_time": "the user's mean watch time [log s]",
    "user_idle_days": "days from the user's last interaction to the end of the history [d]",
    "friend_rate": "mean of the smoothed positive rates of the user's friends [0 to 1]",
    "duration_rate": "smoothed positive rate of videos as long as this one [0 to 1]",
    "author_rate": "smoothed positive rate of the author's videos [0 to 1]",
    "category_rate": "mean of the smoothed positive rates of the video's categories [0 to 1]",
    "caption_rate_1": "smoothed positive rate of videos whose caption is of the same coarse category [0 to 1]",
    "caption_rate_2": "smoothed positive rate of videos whose caption is of the same middle category [0 to 1]",
    "caption_rate_3": "smoothed positive rate of videos whose caption is of the same fine category [0 to 1]",
    "tag_rate": "smoothed positive rate of videos with the video's tag [0 to 1]",
    "upload_rate": "smoothed positive rate of videos uploaded in this way [0 to 1]",
    "daily_shows": "times the video was shown [ln(1 + n)]",
    "daily_complete": "plays of the video to the end / plays [0 to 1]",
    "daily_long": "long plays of the video / plays [0 to 1]",
    "daily_short": "short plays of the video / plays [0 to 1]",
    "daily_like": "likes of the video / times it was shown [0 to 1]",
    "daily_progress": "mean share of the video that a play reached [0 to 1]",
    "daily_log_time": "mean time of a play of the video [log s]",
    "daily_days": "days with the platform's counts of the video [d]",
    "duration_beyond_user": "the video's length, against the user's mean watch time [log times]",
    "duration_taste": "how much more the user likes videos of this length than others do [-1 to 1]",
    "author_taste": "how much more the user likes the author's videos than others do [-1 to 1]",
    "category_taste": "how much more the user likes the video's categories than others do [-1 to 1]",
    "user_active_degree": "how active the user is [code]",
    **{
        name: f"the user's {name.removeprefix('onehot_')}, an anonymized category [code]"
        for name in columns.ONEHOT_FEATURES
    },
    "is_lowactive_period": "the user is in a period of low activity [flag]",
    "is_live_streamer": "the user is a live streamer [flag]",
    "is_video_author": "the user is an author of videos [flag]",
    "friend_user_num": "friends of the user",
    "item_interaction_count": "the video's interactions in train [rows]",
    "register_days": "days since the user registered [d]",
}
"""Feature -> what it is and its unit, where the header's line does not stand alone. Beside the headers' units: log
times, a logarithm of how many times as much; sd, standard deviations; flag, 0 or 1; code, a category's number."""

TEXT_AND_UNIT = re.compile(r"^(?P<text>[^\[;]*[^\[;\s])\s*(?:\[(?P<unit>[^\]]+)\])?")
_FACTOR = re.compile(r"^(user|item)_factor_\d+$")
_SIDES: Final = {"user": "user", "item": "video"}


class Part(NamedTuple):
    """One line of an explanation."""

    features: tuple[str, ...]
    """The ranker's names: one, or those of all ALS factors of a side."""
    text: str
    value: str
    """As people read it; empty for factors, of which a single one means nothing."""
    contribution: float
    """To the raw score: log-odds, where the score is a probability."""


@dataclass(frozen=True)
class Explanation:
    """Why a pair has its score: base and contributions add up to raw."""

    user_id: int | str
    item_id: int | str
    score: float
    raw: float
    """The trees' sum: log-odds of the score, or the score itself where the objective is a ranking."""
    base: float
    """The average raw score of the rows that the ranker learned from."""
    contributions: tuple[Part, ...]
    """Largest first."""
    is_probability: bool = True
    notes: tuple[str, ...] = ()
    """What else the reader must know, a sentence each."""
    sources: str = ""
    """What retrieved the video, where it is a recommendation: `kraft.models.candidates.names_of`."""

    def with_context(self, notes: tuple[str, ...], sources: str, ids: tuple[int | str, int | str]) -> "Explanation":
        """The same with what is not the ranker's to know; ``ids``: the log's own, of the user and of the video."""
        return replace(self, notes=notes, sources=sources, user_id=ids[0], item_id=ids[1])

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"contributions": [part._asdict() for part in self.contributions]}

    def to_text(self, most: int) -> str:
        """The explanation as lines, at most ``most`` of them with parts of their own; no line end after the last."""
        lines = [f"user {self.user_id}, video {self.item_id}: score {self.score:.4f}"]
        lines[0] += f"   (retrieved by {plain_names(self.sources)})" if self.sources else ""
        lines += [f"  {note}" for note in self.notes]
        lines.append("  log-odds  probability" if self.is_probability else "    effect")
        reached = self.base
        lines.append(self._line(self.base, reached, AVERAGE))
        # An effect that would read as +0.000 gets no line of its own.
        own = [part for part in self.contributions[:most] if round(part.contribution, 3)]
        shown = [(part.contribution, _labelled(part)) for part in own]
        if rest := self.contributions[len(own) :]:
            features = sum(len(part.features) for part in rest)
            together = f"{features} more {'features together' if features > 1 else 'feature'}"
            shown.append((math.fsum(part.contribution for part in rest), together))
        for contribution, label in shown:
            reached += contribution
            seen = round(contribution, 3)
            verb = "raises" if seen > 0 else "lowers" if seen < 0 else "keeps "
            lines.append(self._line(contribution, reached, f"{verb}  {label}"))
        return "\n".join(lines)

    def _line(self, effect: float, reached: float, label: str) -> str:
        probability = f"{sigmoid(reached):>13.1%}" if self.is_probability else ""
        return f"{effect:>+z10.3f}{probability}  {label}"


def sigmoid(raw: float) -> float:
    """The probability whose log-odds are ``raw``.

    >>> sigmoid(0.0), round(sigmoid(math.log(3)), 6), sigmoid(-1000.0)
    (0.5, 0.75, 0.0)
    """
    # The exponent is never positive: no overflow.
    small = math.exp(-abs(raw))
    return 1 / (1 + small) if raw >= 0 else small / (1 + small)


def parts_of(
    names: Sequence[str],
    values: Sequence[float],
    contributions: Sequence[float],
    category_codes: Mapping[str, Sequence[str]],
) -> tuple[Part, ...]:
    """The parts of one row's raw score, largest first, equal ones in the order of the features.

    Args:
        names: the ranker's features.
        values: of the row, NaN if missing.
        contributions: one a feature, without the average.
        category_codes: for a categorical feature, its values in the order of their codes (`ranker.RankerRecord`).
    """
    parts: list[Part] = []
    factors: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if match := _FACTOR.match(name):
            factors.setdefault(match[1], []).append(index)
        else:
            value = value_text(name, float(values[index]), category_codes)
            parts.append(Part((name,), meaning(name)[0], value, float(contributions[index])))
    for side, indices in factors.items():
        text = f"the {_SIDES[side]}'s {len(indices)} ALS factor{'s' if len(indices) > 1 else ''}"
        # Who is not in train has zeros for factors.
        value = "" if any(values[place] for place in indices) else UNKNOWN
        whole = math.fsum(contributions[place] for place in indices)
        parts.append(Part(tuple(names[place] for place in indices), text, value, whole))
    return tuple(sorted(parts, key=lambda part: -abs(part.contribution)))


def meaning(feature: str) -> tuple[str, str]:
    """What a feature is, and its unit, empty if it has none.

    >>> meaning("user_log_time")
    ("the user's mean watch time", 'log s')
    >>> meaning("item_daily")
    ("days from the video's first interaction to the end of the history", 'd')

    Raises:
        KeyError: no text says what it is.
    """
    written = OWN_TEXTS.get(feature) or _header_text(feature)
    found = TEXT_AND_UNIT.match(written)
    assert found is not None  # noqa: S101 - every text has a first word
    return re.sub(r"\bits\b", "the video's", found["text"]), found["unit"] or ""


def value_text(feature: str, value: float, category_codes: Mapping[str, Sequence[str]]) -> str:
    """A feature's value as people read it.

    >>> [value_text(*one, {}) for one in (("log_duration", 2.5), ("item_rate", 0.375), ("item_count", 12345.0))]
    ['12.2 s', '37.5%', '12,345']
    >>> value_text("user_active_degree", 1, {"user_active_degree": ["", "full_active"]})
    'full_active'
    """
    if math.isnan(value):
        return UNKNOWN
    unit = meaning(feature)[1]
    if unit == "code":
        code, known = int(value), category_codes.get(feature, ())
        return (known[code] or UNKNOWN) if code < len(known) else f"code {code}"
    return READ_AS.get(unit, _number)(value)


def _header_text(feature: str) -> str:
    queries = all_queries()
    for table in ("ranker_train", "pair_features"):
        if feature in queries[table].columns:
            return queries[table].columns[feature]
    raise KeyError(feature)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.2f}"


def _days(value: float) -> str:
    days = f"{value:z,.1f}".removesuffix(".0")
    return f"{days} day" if days == "1" else f"{days} days"


READ_AS: Final[Mapping[str, Callable[[float], str]]] = {
    "log s": lambda value: f"{math.exp(value):,.1f} s",
    "log times": lambda value: f"{math.exp(value):,.2f} times",
    "ln(1 + n)": lambda value: f"{math.expm1(value):,.0f}",
    "0 to 1": lambda value: f"{value:.1%}",
    "-1 to 1": lambda value: f"{100 * value:+z.1f} points",
    "sd": lambda value: f"{value:+z.2f} standard deviations",
    "d": _days,
    "flag": lambda value: "yes" if value else "no",
}
"""Unit -> how a value in it is written."""


def _labelled(part: Part) -> str:
    return f"{part.text}: {part.value}" if part.value else part.text
