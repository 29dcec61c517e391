"""The two interaction logs, and the true probabilities of one, a block of users at a time.

Every block has its own random generator, spawned from the seed by its number: blocks could be made in any
order, memory does not grow with their number, and the same seed gives the same rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from kraft.logs.synthetic.blocks import blocks
from kraft.logs.synthetic.calendar import TRAIN_TRAFFIC_SHARE, Calendar
from kraft.logs.synthetic.population import Ints, World
from kraft.logs.synthetic.windows import HURRIED, Habits, Windows

SMALL_BLOCK_USERS = 64
BIG_BLOCK_USERS = 128
"""Users a block: some 200,000 rows, about 60 MB with all temporaries."""

BIG_ROWS_A_USER = (12_530_806 - 968_004) / 7_176
"""Distinct rows a user of big_matrix, on average."""
EXACT_DUPLICATES = 968_004 / (12_530_806 - 968_004)
"""Copies for each distinct row of big_matrix."""


@dataclass(frozen=True)
class Meetings:
    """The rows of one block of small_matrix before anything is watched, by user and time."""

    users: Ints
    """Positions in the world; shape (n_rows,), as the others."""
    items: Ints
    timestamps: npt.NDArray[np.float64]
    """Unix time [s]; infinite where it was lost."""
    generator: np.random.Generator
    """Of the block: what is drawn next is what becomes of the meetings."""


def meetings(
    users: Ints,
    items: Ints,
    windows: Windows,
    habits: Habits,
    calendar: Calendar,
    root: np.random.SeedSequence,
) -> Iterator[Meetings]:
    """Nearly every pair of ``users`` x ``items`` once, by user and time; a user's last rows have no time.

    Args:
        users: positions in the world, ascending, in the order of ``habits``.
        items: positions in the world, in the order of ``windows``.
        root: seeds of the blocks of `SMALL_BLOCK_USERS` are spawned from it. Asked again, the same rows come.
    """
    for number, generator in blocks(len(users), SMALL_BLOCK_USERS, root):
        part = slice(number * SMALL_BLOCK_USERS, (number + 1) * SMALL_BLOCK_USERS)
        block, haste, loss = users[part], habits.haste[part, None], habits.loss[part, None]
        shape = (len(block), len(items))
        is_late = generator.random(shape) < np.where(windows.late < HURRIED, windows.late * haste, windows.late)
        low = np.where(is_late, np.maximum(windows.opens, TRAIN_TRAFFIC_SHARE), windows.opens)
        high = np.where(is_late, 1.0, TRAIN_TRAFFIC_SHARE)
        time = calendar.moments(low + (high - low) * generator.random(shape))
        # Which rows lose their time is not a matter of when they happened: they are the user's last rows of
        # the file because empty sorts last.
        time[generator.random(shape) < loss * windows.untimed] = np.inf
        observed = generator.random(shape) >= windows.missing
        order = np.argsort(time, axis=1, kind="stable")
        kept = np.take_along_axis(observed, order, axis=1)
        who = np.repeat(block, kept.sum(axis=1))
        what = items[order][kept]
        when = np.take_along_axis(time, order, axis=1)[kept]
        yield Meetings(who, what, when, generator)


def small_matrix(world: World, met: Iterable[Meetings]) -> Iterator[pl.DataFrame]:
    """The log of what was ``met``, in KuaiRec's columns, a frame a block."""
    for block in met:
        yield log_rows(world, block.users, block.items, block.timestamps, block.generator)


def oracle(world: World, met: Iterable[Meetings]) -> Iterator[pl.DataFrame]:
    """The true probability that each row of small_matrix is positive, row for row; draws nothing."""
    for block in met:
        yield pl.DataFrame(
            {
                "user_id": world.user_ids[block.users],
                "video_id": world.item_ids[block.items],
                "probability": world.positive_probability(block.users, block.items),
            }
        )


def big_matrix(
    world: World,
    small_users: Ints,
    small_items: Ints,
    opens: npt.NDArray[np.float64],
    calendar: Calendar,
    root: np.random.SeedSequence,
) -> Iterator[pl.DataFrame]:
    """A sparse log of all users and items, with re-watches and exact duplicates, and no pair of small_matrix.

    Args:
        small_users: positions in ``world``; their pairs with ``small_items`` are left out.
        opens: share of all traffic from which on each video of the world is there; shape (n_items,).
        root: seeds of the blocks of `BIG_BLOCK_USERS` are spawned from it.
    """
    n_users, n_items = len(world.user_ids), len(world.item_ids)
    everything = np.cumsum(world.item_appeal, dtype=np.float64)
    others = np.setdiff1d(np.arange(n_items), small_items)
    outside = np.cumsum(world.item_appeal[others], dtype=np.float64)
    in_small = np.zeros(n_users, dtype=bool)
    in_small[small_users] = True
    # As many rows a user as KuaiRec has, thinned where the catalogue is smaller.
    mean_rows = BIG_ROWS_A_USER * n_items / 10_728
    for number, generator in blocks(n_users, BIG_BLOCK_USERS, root):
        block = np.arange(number * BIG_BLOCK_USERS, min((number + 1) * BIG_BLOCK_USERS, n_users), dtype=np.int32)
        rows = np.maximum(generator.poisson(mean_rows * world.user_activity[block]), 1)
        if len(others) == 0:
            rows[in_small[block]] = 0
        who = np.repeat(block, rows)
        draw = generator.random(len(who))
        what = np.minimum(np.searchsorted(everything, draw * everything[-1], side="right"), n_items - 1)
        excluded = in_small[who]
        if excluded.any():
            index = np.searchsorted(outside, draw[excluded] * outside[-1], side="right")
            what[excluded] = others[np.minimum(index, len(others) - 1)]
        when = calendar.moments(opens[what] + (1 - opens[what]) * generator.random(len(who)))
        order = np.lexsort((when, who))
        frame = log_rows(world, who[order], what[order].astype(np.int32), when[order], generator, whole_dates=True)
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
        users: positions in ``world``, as ``items``.
        whole_dates: 20200705, as big_matrix writes it, instead of small_matrix's 20200705.0.
    """
    play = world.play_ms(users, items, generator)
    duration = world.duration_ms[items].astype(np.int64)
    local = pl.from_epoch((pl.col("timestamp") * 1000).round().cast(pl.Int64), time_unit="ms") + pl.duration(hours=8)
    day = local.dt.year().cast(pl.Int32) * 10_000 + local.dt.month().cast(pl.Int32) * 100 + local.dt.day()
    return (
        pl.DataFrame(
            {
                "user_id": world.user_ids[users],
                "video_id": world.item_ids[items],
                "play_duration": play,
                "video_duration": duration,
                "timestamp": timestamps,
                "watch_ratio": play / duration,
            }
        )
        .with_columns(timestamp=pl.when(pl.col("timestamp").is_finite()).then("timestamp"))
        .with_columns(time=local, date=day.cast(pl.Int32 if whole_dates else pl.Float64))
        .select("user_id", "video_id", "play_duration", "video_duration", "time", "date", "timestamp", "watch_ratio")
    )
