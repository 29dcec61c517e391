"""The two interaction logs, a block of users at a time.

Every block has a random generator of its own, spawned from the seed by its number: blocks could be made in any
order, memory does not grow with their number, and the same seed gives the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from kraft.data.twin.calendar import TRAIN_TRAFFIC_SHARE, Calendar
from kraft.data.twin.world import Ints, World

SMALL_BLOCK_USERS = 64
BIG_BLOCK_USERS = 128
"""Users a block: some 200,000 rows, about 60 MB with all temporaries."""

DENSITY = 0.996
"""Share of small_matrix's pairs that were observed."""
COLD_ITEMS = 334 / 3327
"""Share of small_matrix's videos that first appear in the test period."""
UNTIMED = 181_992 / 4_676_570
"""Share of small_matrix's rows without time, date and timestamp."""
TRAIN_SHARE = 0.8
LATE_ITEMS = 0.02
"""Share of the warm videos that come out just before the cut, so that most of their rows are test rows."""
HURRIED = 0.5
"""Videos that most meet late are met late by hasty users too."""
COLD_MARGIN = 0.06
"""Share of the test traffic after the cut in which no cold video appears yet: the cut is found by counting, so it
falls some thousand rows before or after the boundary of the calendar."""
BIG_ROWS_A_USER = (12_530_806 - 968_004) / 7_176
"""Distinct rows a user of big_matrix, on average."""
EXACT_DUPLICATES = 968_004 / (12_530_806 - 968_004)
"""Copies for each distinct row of big_matrix."""


@dataclass(frozen=True)
class Windows:
    """When each video of small_matrix can be met, and how likely that is only after the cut."""

    opens: npt.NDArray[np.float64]
    """Share of all traffic from which on the video is there; shape (n_items,)."""
    late: npt.NDArray[np.float64]
    """Probability that a user meets it in the test period; 1 for a cold video; shape (n_items,)."""
    untimed: npt.NDArray[np.float64]
    """How much likelier than others its rows are to have lost their time, mean 1; shape (n_items,)."""


def make_windows(n_items: int, generator: np.random.Generator) -> Windows:
    """Draw the collection windows such that 80 % of the rows, in expectation, lie before the boundary."""
    n_cold = round(COLD_ITEMS * n_items)
    order = generator.permutation(n_items)
    cold, warm = order[:n_cold], order[n_cold:]
    very_late = warm[len(warm) - round(LATE_ITEMS * len(warm)) :]
    # Untimed rows are test rows of warm videos too; the rest of the 20 % is met late by chance.
    wanted = (1 - TRAIN_SHARE - n_cold / n_items - UNTIMED * len(warm) / n_items) / (1 - UNTIMED)
    late = np.zeros(n_items)
    late[very_late] = generator.uniform(0.3, 0.98, len(very_late))
    # One video is seen a few times before the cut, as KuaiRec's rarest.
    late[very_late[:1]] = 0.998
    others = warm[: len(warm) - len(very_late)]
    drawn = generator.gamma(0.45, 1.0, len(others))
    # Half at the most, so that the sum is what is wanted.
    late[others] = np.minimum(drawn * max(wanted * n_items - late.sum(), 0.0) / drawn.sum(), HURRIED)
    late[cold] = 1
    opens = TRAIN_TRAFFIC_SHARE * generator.beta(0.6, 6.0, n_items)
    opens[warm[: len(warm) // 3]] = 0
    opens[very_late] = TRAIN_TRAFFIC_SHARE * generator.uniform(0.8, 0.99, len(very_late))
    first = TRAIN_TRAFFIC_SHARE + (1 - TRAIN_TRAFFIC_SHARE) * COLD_MARGIN
    # Most cold videos come out early in the test period, few near its end.
    opens[cold] = first + (1 - first) * generator.beta(1.0, 3.0, n_cold)
    untimed = np.ones(n_items)
    untimed[warm] = generator.gamma(0.35, 1.0, len(warm))
    untimed[warm] /= untimed[warm].mean()
    return Windows(opens, np.minimum(late, 1.0), untimed)


def small_matrix(
    world: World,
    users: Ints,
    items: Ints,
    windows: Windows,
    calendar: Calendar,
    seeds: list[np.random.SeedSequence],
) -> Iterator[pl.DataFrame]:
    """Nearly every pair of ``users`` x ``items`` once, by user and time; a user's last rows have no time.

    Args:
        users: ids (positions in ``world``), ascending.
        items: ids, in the order of ``windows``.
        seeds: one for each block of `SMALL_BLOCK_USERS`.
    """
    for number, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        block = users[number * SMALL_BLOCK_USERS : (number + 1) * SMALL_BLOCK_USERS]
        shape = (len(block), len(items))
        eager = generator.gamma(25.0, 1 / 25.0, (len(block), 1))
        is_late = generator.random(shape) < np.where(windows.late < HURRIED, windows.late * eager, windows.late)
        low = np.where(is_late, np.maximum(windows.opens, TRAIN_TRAFFIC_SHARE), windows.opens)
        high = np.where(is_late, 1.0, TRAIN_TRAFFIC_SHARE)
        time = calendar.moments(low + (high - low) * generator.random(shape))
        # Which rows lose their time is not a matter of when they happened: they are the user's last rows of
        # the file because empty sorts last.
        lost = UNTIMED * generator.gamma(12.0, 1 / 12.0, (len(block), 1))
        time[generator.random(shape) < lost * windows.untimed] = np.inf
        observed = generator.random(shape) < DENSITY
        order = np.argsort(time, axis=1, kind="stable")
        kept = np.take_along_axis(observed, order, axis=1)
        who = np.repeat(block, kept.sum(axis=1)).astype(np.int32)
        what = items[order][kept].astype(np.int32)
        when = np.take_along_axis(time, order, axis=1)[kept]
        yield log_rows(world, who, what, when, generator)


def big_matrix(
    world: World,
    n_users: int,
    small_users: Ints,
    small_items: Ints,
    calendar: Calendar,
    seeds: list[np.random.SeedSequence],
) -> Iterator[pl.DataFrame]:
    """A sparse log of all users and items, with re-watches and exact duplicates, and no pair of small_matrix.

    Args:
        n_users: users are the ids from 0 to n_users - 1.
        small_users: their pairs with ``small_items`` are left out.
        seeds: one for each block of `BIG_BLOCK_USERS`.
    """
    n_items = len(world.duration_ms)
    everything = np.cumsum(world.item_appeal, dtype=np.float64)
    outside_appeal = world.item_appeal.astype(np.float64)
    outside_appeal[small_items] = 0
    outside = np.cumsum(outside_appeal)
    in_small = np.zeros(n_users, dtype=bool)
    in_small[small_users] = True
    # As many rows a user as KuaiRec has, thinned where the catalogue is smaller.
    mean_rows = BIG_ROWS_A_USER * n_items / 10_728
    for number, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        block = np.arange(number * BIG_BLOCK_USERS, min((number + 1) * BIG_BLOCK_USERS, n_users), dtype=np.int32)
        rows = np.maximum(generator.poisson(mean_rows * world.user_activity[block]), 1)
        who = np.repeat(block, rows)
        draw = generator.random(len(who))
        what = np.searchsorted(everything, draw * everything[-1], side="right")
        barred = in_small[who]
        what[barred] = np.searchsorted(outside, draw[barred] * outside[-1], side="right")
        what = np.minimum(what, n_items - 1).astype(np.int32)
        when = calendar.moments(generator.random(len(who)))
        order = np.lexsort((when, who))
        frame = log_rows(world, who[order], what[order], when[order], generator, whole_dates=True)
        copies = 1 + (generator.random(len(who)) < EXACT_DUPLICATES).astype(np.int64)
        yield frame[np.repeat(np.arange(len(who)), copies)]


def log_rows(
    world: World,
    users: Ints,
    items: Ints,
    timestamps: npt.NDArray[np.float64],
    generator: np.random.Generator,
    *,
    whole_dates: bool = False,
) -> pl.DataFrame:
    """Rows in KuaiRec's columns; an infinite timestamp is one that was lost.

    Args:
        whole_dates: 20200705, as big_matrix writes it, instead of small_matrix's 20200705.0.
    """
    play = world.play_ms(users, items, generator)
    duration = world.duration_ms[items].astype(np.int64)
    local = pl.from_epoch((pl.col("timestamp") * 1000).round().cast(pl.Int64), time_unit="ms") + pl.duration(hours=8)
    day = local.dt.year().cast(pl.Int32) * 10_000 + local.dt.month().cast(pl.Int32) * 100 + local.dt.day()
    return (
        pl.DataFrame(
            {
                "user_id": users,
                "video_id": items,
                "play_duration": play,
                "video_duration": duration,
                "timestamp": timestamps,
                "watch_ratio": play / duration,
            }
        )
        .with_columns(timestamp=pl.when(pl.col("timestamp").is_finite()).then("timestamp"))
        .with_columns(time=local, date=day.cast(pl.Int32 if whole_dates else pl.Float64))
        .select(
            "user_id",
            "video_id",
            "play_duration",
            "video_duration",
            "time",
            "date",
            "timestamp",
            "watch_ratio",
        )
    )
