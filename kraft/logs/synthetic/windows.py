"""Who meets what when in small_matrix: collection windows of the videos, habits of the users.

Traffic is measured in shares (calendar.py). A warm video is met before the boundary of the train period by most users
and after it by some; a cold one opens after the boundary.
"""

from dataclasses import dataclass

import numpy as np

from kraft.logs.synthetic.calendar import TRAIN_TRAFFIC_SHARE, Floats64
from kraft.logs.synthetic.population import Ints

MISSING = 1 - 4_676_570 / (1_411 * 3_327)
"""Share of small_matrix's pairs that were never observed."""
MISSING_SHAPE = 0.3
"""Shape of the gamma distribution of the videos' shares of those: most lack hardly a user."""
COLD_ITEMS = 334 / 3327
"""Share of small_matrix's videos that first appear in the test period."""
UNTIMED = 181_992 / 4_676_570
"""Share of small_matrix's rows without time, date and timestamp."""
TRAIN_SHARE = 0.8
FRESH = 0.2
"""How much the cold videos are chosen by their appeal: in KuaiRec the videos of the test period do a little better."""
LATE_ITEMS = 0.05
"""Share of the warm videos that come out just before the cut, so that most of their rows are test rows."""
LATE_CHANCE = (0.3, 0.97)
"""Least and most probability that a user meets such a video after the cut."""
RAREST = 0.996
"""The same of the first of them: KuaiRec's rarest has one train row."""
LATE_SHAPE, UNTIMED_SHAPE = 0.35, 0.35
"""Shapes of the gamma distributions of the warm videos' late and untimed rows: most have few, some have many."""
DISLIKED_LATE = 0.9
"""How much more of a video's rows are late or untimed, a standard deviation of its appeal below the mean [log]:
in KuaiRec's test period fewer rows are positive than in its train period, though not among the cold videos."""
HURRIED = 0.5
"""Videos that most meet late are met late by hasty users too."""
HASTE_SD, LOSS_SD = 0.48, 0.4
"""How unevenly users meet videos late and lose times [log]: KuaiRec's have 2,139 to 2,848 train rows."""
COLD_MARGIN = 0.03
"""Share of the test traffic after the boundary in which no cold video appears yet: the cut is found by counting, so it
falls some thousand rows before or after the boundary."""


@dataclass(frozen=True)
class Windows:
    """When each video of small_matrix can be met, and how likely that is only after the cut."""

    opens: Floats64
    """Share of all traffic from which on the video is there; shape (n_items,)."""
    late: Floats64
    """Probability that a user meets it in the test period; 1 for a cold video; shape (n_items,)."""
    untimed: Floats64
    """Probability that a row of it has lost its time; 0 for a cold video; shape (n_items,)."""
    missing: Floats64
    """Probability that a user never meets it; shape (n_items,)."""


@dataclass(frozen=True)
class Habits:
    """How each user of small_matrix differs from the mean of all, which is 1; shapes (n_users,)."""

    haste: Floats64
    """Divides the probability to meet a video before the cut, so to say: multiplies `Windows.late`."""
    loss: Floats64
    """Multiplies `Windows.untimed`."""


def make_windows(appeal: Floats64, generator: np.random.Generator) -> Windows:
    """Draw the collection windows such that 80 % of the rows, in expectation, lie before the boundary.

    Args:
        appeal: how well a video is watched, mean 0 and standard deviation 1; shape (n_items,).
        generator: the only source of chance.
    """
    n_items = len(appeal)
    n_cold = round(COLD_ITEMS * n_items)
    n_late = round(LATE_ITEMS * (n_items - n_cold))
    order = np.argsort(-FRESH * appeal - generator.standard_normal(n_items), kind="stable")
    cold, warm = order[:n_cold], generator.permutation(order[n_cold:])
    very_late, usual = warm[:n_late], warm[n_late:]
    dislike = np.exp(-DISLIKED_LATE * np.clip(appeal, -2, 2))

    untimed = np.zeros(n_items)
    untimed[warm] = dislike[warm] * generator.gamma(UNTIMED_SHAPE, 1.0, len(warm))
    untimed = _with_sum(untimed, UNTIMED * n_items, most=0.4)

    late = np.zeros(n_items)
    late[cold] = 1
    late[very_late] = generator.uniform(*LATE_CHANCE, n_late)
    late[very_late[:1]] = RAREST
    # A test row is untimed or late. What the very late videos leave of the 20 % is spread over the usual ones.
    timed = 1 - untimed
    wanted = (1 - TRAIN_SHARE) * n_items - untimed.sum() - (late * timed).sum()
    drawn = np.zeros(n_items)
    drawn[usual] = dislike[usual] * generator.gamma(LATE_SHAPE, 1.0, len(usual))
    late += _with_sum(drawn * timed, max(wanted, 0.0), most=0.45)

    opens = TRAIN_TRAFFIC_SHARE * generator.beta(0.6, 6.0, n_items)
    opens[usual[: len(warm) // 3]] = 0
    opens[very_late] = TRAIN_TRAFFIC_SHARE * generator.uniform(0.8, 0.99, n_late)
    first = TRAIN_TRAFFIC_SHARE + (1 - TRAIN_TRAFFIC_SHARE) * COLD_MARGIN
    # Most cold videos come out early in the test period, few near its end.
    opens[cold] = first + (1 - first) * generator.beta(1.0, 3.0, n_cold)
    missing = _with_sum(generator.gamma(MISSING_SHAPE, 1.0, n_items), MISSING * n_items, most=0.1)
    return Windows(opens, late, untimed, missing)


def catalogue_opens(n_items: int, small_items: Ints, windows: Windows, generator: np.random.Generator) -> Floats64:
    """Share of all traffic from which on each video of the catalogue is there; shape (n_items,).

    Args:
        n_items: videos of the catalogue.
        small_items: positions in it of the videos of ``windows``.
    """
    opens = np.where(generator.random(n_items) < 1 / 3, 0.0, generator.beta(0.7, 2.0, n_items))
    opens[small_items] = windows.opens
    return opens


def make_habits(n_users: int, generator: np.random.Generator) -> Habits:
    """Draw the users' habits."""
    haste = generator.lognormal(0, HASTE_SD, n_users)
    loss = generator.lognormal(0, LOSS_SD, n_users)
    return Habits(haste / haste.mean(), loss / loss.mean())


def _with_sum(values: Floats64, total: float, most: float) -> Floats64:
    """``values`` in proportion, none above ``most``, so that they sum to ``total`` (as far as `most` allows)."""
    scaled = values * (total / max(values.sum(), 1e-12))
    for _ in range(20):
        capped = np.minimum(scaled, most)
        free = capped < most
        missing = total - capped.sum()
        if missing < 1e-9 * max(total, 1.0) or not scaled[free].sum():
            return np.asarray(capped)
        scaled = np.where(free, capped * (1 + missing / scaled[free].sum()), capped)
    return np.asarray(np.minimum(scaled, most))
