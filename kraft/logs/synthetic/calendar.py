"""When interactions happen: days of uneven traffic, hours of uneven traffic, and a train period in front.

A moment is drawn as a share between 0 and 1 of all traffic; the calendar turns shares into unix time. So a
window of days is a window of shares, and a block of moments costs one interpolation.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

Floats64 = npt.NDArray[np.float64]

ZONE = timezone(timedelta(hours=8))
"""KuaiRec's clock."""
FIRST_DAY = datetime(2020, 7, 4, tzinfo=ZONE).astimezone(UTC)
ALL_DAYS = 64
"""2020-07-04 to 2020-09-05."""
TRAIN_HOURS = 45 * 24 - 4
"""The boundary of the train period is late on its 45th day, 2020-08-17: the cut is found by counting rows, and falls
some minutes before or after it."""
DAY_WEIGHTS = {0: 2.2e-4, 1: 0.15, 2: 0.6}
"""Traffic of the first days, relative to the mean: KuaiRec's first has 8 rows."""
WEEK_SWING, DAY_SD, LEAST_DAY = 0.25, 0.12, 0.3
"""How the other days differ from their mean; KuaiRec's busiest has 1.6 times as many rows."""
TRAIN_TRAFFIC_SHARE = 0.5
"""Where on the scale of shares the train period ends: each side has its own scale."""
HOUR_WEIGHTS = np.array([5, 3, 2, 1, 1, 1, 2, 3, 4, 5, 5, 6, 8, 7, 6, 6, 6, 7, 8, 9, 10, 10, 9, 7], dtype=float)


@dataclass(frozen=True)
class Calendar:
    """Cumulative traffic at each hour: `shares` rises from 0 to 1 over `seconds` (unix time)."""

    shares: Floats64
    seconds: Floats64

    def moments(self, shares: Floats64) -> Floats64:
        """Unix time [s, to the ms] of shares of the traffic."""
        return np.round(np.interp(shares, self.shares, self.seconds), 3)


def make_calendar(generator: np.random.Generator) -> Calendar:
    """Days that start with a handful of rows and then swing around their mean."""
    week = WEEK_SWING * np.sin(np.arange(ALL_DAYS) * 2 * np.pi / 7)
    days = np.maximum(1 + week + generator.normal(0, DAY_SD, ALL_DAYS), LEAST_DAY)
    days[list(DAY_WEIGHTS)] = list(DAY_WEIGHTS.values())
    hours = np.outer(days, HOUR_WEIGHTS / HOUR_WEIGHTS.sum()).ravel()
    train, test = hours[:TRAIN_HOURS], hours[TRAIN_HOURS:]
    shares = np.concatenate(
        (
            [0.0],
            TRAIN_TRAFFIC_SHARE * np.cumsum(train) / train.sum(),
            TRAIN_TRAFFIC_SHARE + (1 - TRAIN_TRAFFIC_SHARE) * np.cumsum(test) / test.sum(),
        )
    )
    seconds: Floats64 = FIRST_DAY.timestamp() + 3600.0 * np.arange(ALL_DAYS * 24 + 1, dtype=np.float64)
    return Calendar(shares, seconds)
