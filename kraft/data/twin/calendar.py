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
TRAIN_DAYS, ALL_DAYS = 45, 64
"""2020-07-04 to 2020-08-17, and to 2020-09-05."""
TRAIN_TRAFFIC_SHARE = 0.5
"""Where on the scale of shares the train period ends: each side has a scale of its own."""
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
    """Days that start with a handful of rows (8 on KuaiRec's first day) and then swing around their mean."""
    days = 1 + 0.25 * np.sin(np.arange(ALL_DAYS) * 2 * np.pi / 7) + generator.normal(0, 0.15, ALL_DAYS)
    days = np.maximum(days, 0.3)
    days[:3] = (1e-4, 0.15, 0.6)
    hours = np.outer(days, HOUR_WEIGHTS / HOUR_WEIGHTS.sum()).ravel()
    cut = TRAIN_DAYS * 24
    train, test = hours[:cut], hours[cut:]
    shares = np.concatenate(
        (
            [0.0],
            TRAIN_TRAFFIC_SHARE * np.cumsum(train) / train.sum(),
            TRAIN_TRAFFIC_SHARE + (1 - TRAIN_TRAFFIC_SHARE) * np.cumsum(test) / test.sum(),
        )
    )
    seconds: Floats64 = FIRST_DAY.timestamp() + 3600.0 * np.arange(ALL_DAYS * 24 + 1, dtype=np.float64)
    return Calendar(shares, seconds)
