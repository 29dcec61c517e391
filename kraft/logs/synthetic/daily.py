"""item_daily_features of synthetic data: what the platform counted for each video and day.

The counts follow the world: a video that is watched to its end in small_matrix is so here too, from the day of its
upload on. A video with several tags has a row for each of them every day: most (video_id, date) keys are shared.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import ndtr

from kraft.logs.synthetic.blocks import blocks
from kraft.logs.synthetic.calendar import ALL_DAYS, FIRST_DAY, ZONE, Calendar
from kraft.logs.synthetic.population import NOISE_SD, TASTE_SD, USER_SD, Floats64, World
from kraft.logs.synthetic.texts import NAMES

DAILY_BLOCK_VIDEOS = 2_048
DAILY_ROWS_A_VIDEO = 343_341 / 10_728
TAGS = {1: 0.525, 2: 0.415, 3: 0.06}
"""Tags a video -> share of the videos: 226,111 of KuaiRec's 343,341 rows share their key."""
N_TAGS = 2_000

UPLOADED_BEFORE = 3.0
"""A video was uploaded some days (exponential, with this mean) before its collection window opens."""
ADVERTS = 0.03
UPLOAD_TYPES = {
    "ShortImport": 0.45, "LongImport": 0.24, "PictureSet": 0.12, "Kmovie": 0.09, "LongCamera": 0.06, "Web": 0.04,
}  # fmt: skip
STATUS = {"public": 0.985, "private": 0.01, "only friends": 0.005}
WIDTHS = {720: 0.8, 1_080: 0.1, 540: 0.1}
HEIGHTS = {1_280: 0.85, 960: 0.1, 720: 0.05}
NO_LENGTH = 0.02
"""Share of the videos without a video_duration here."""
SHOWN_MEDIAN, SHOWN_SD = 90.0, 1.2
"""Times that a video of mean appeal is shown a day: median, and spread [log]."""
PLAYED = 0.8
"""Plays a show."""
COLLECT_FROM = 32
"""First day with collect counts: before, they are empty."""
COUNTS = {
    "like": 0.03, "cancel_like": 0.002, "comment": 0.004, "delete_comment": 0.0003, "comment_like": 0.002,
    "follow": 0.003, "cancel_follow": 0.0004, "share": 0.001, "download": 0.002, "report": 0.0001,
    "reduce_similar": 0.0005, "collect": 0.002, "cancel_collect": 0.0002,
}  # fmt: skip
"""NAME_cnt and NAME_user_num, for each time a video was shown."""
LONE_COUNTS = {"click_like": 0.02, "double_click": 0.01, "direct_comment": 0.003, "reply_comment": 0.001}
"""NAME_cnt without a number of users."""
COLUMNS = (
    "video_id", "date", "author_id", "video_type", "upload_dt", "upload_type", "visible_status", "video_duration",
    "video_width", "video_height", "music_id", "video_tag_id", "video_tag_name", "show_cnt", "show_user_num",
    "play_cnt", "play_user_num", "play_duration", "complete_play_cnt", "complete_play_user_num", "valid_play_cnt",
    "valid_play_user_num", "long_time_play_cnt", "long_time_play_user_num", "short_time_play_cnt",
    "short_time_play_user_num", "play_progress", "comment_stay_duration", "like_cnt", "like_user_num",
    "click_like_cnt", "double_click_cnt", "cancel_like_cnt", "cancel_like_user_num", "comment_cnt",
    "comment_user_num", "direct_comment_cnt", "reply_comment_cnt", "delete_comment_cnt", "delete_comment_user_num",
    "comment_like_cnt", "comment_like_user_num", "follow_cnt", "follow_user_num", "cancel_follow_cnt",
    "cancel_follow_user_num", "share_cnt", "share_user_num", "download_cnt", "download_user_num", "report_cnt",
    "report_user_num", "reduce_similar_cnt", "reduce_similar_user_num", "collect_cnt", "collect_user_num",
    "cancel_collect_cnt", "cancel_collect_user_num",
)  # fmt: skip
"""In KuaiRec's order."""


def daily_features(
    world: World, opens: Floats64, calendar: Calendar, root: np.random.SeedSequence
) -> Iterator[pl.DataFrame]:
    """One row a video, day it was shown and tag of it; a block of videos at a time.

    Args:
        opens: share of all traffic from which on each video is there; shape (n_items,).
        root: seeds of the blocks are spawned from it.
    """
    n_items = len(world.item_ids)
    opened = (calendar.moments(opens) - FIRST_DAY.timestamp()) / 86_400
    tags = sum(count * share for count, share in TAGS.items())
    for number, generator in blocks(n_items, DAILY_BLOCK_VIDEOS, root):
        videos = np.arange(number * DAILY_BLOCK_VIDEOS, min((number + 1) * DAILY_BLOCK_VIDEOS, n_items))
        uploaded = np.floor(opened[videos] - generator.exponential(UPLOADED_BEFORE, len(videos))).astype(np.int64)
        yield _block(world, videos, uploaded, DAILY_ROWS_A_VIDEO / tags, generator)


def _block(
    world: World,
    videos: npt.NDArray[np.int64],
    uploaded: npt.NDArray[np.int64],
    days_a_video: float,
    generator: np.random.Generator,
) -> pl.DataFrame:
    """``uploaded``: day of each of the ``videos``, negative before the log; ``days_a_video``: mean days with rows."""
    n_videos = len(videos)
    day = np.arange(ALL_DAYS)
    possible = day >= np.maximum(uploaded, 1)[:, None]
    # Every video is shown on its first day at least; the other days share what is left of the mean.
    chance = (days_a_video - 1) * n_videos / max(possible.sum() - n_videos, 1)
    shown = possible & (generator.random((n_videos, ALL_DAYS)) < chance)
    shown[np.arange(n_videos), possible.argmax(axis=1)] = True
    video_at, day = np.nonzero(shown)
    n_rows = len(video_at)
    start = np.datetime64(FIRST_DAY.astimezone(ZONE).date())
    uploads, dates = (pl.Series(start + days.astype("timedelta64[D]")) for days in (uploaded, day))
    n_tags = generator.choice(list(TAGS), n_videos, p=list(TAGS.values()))

    def choose(shares: Mapping[Any, float]) -> npt.NDArray[Any]:
        return generator.choice(np.array(list(shares)), n_videos, p=list(shares.values()))

    length = np.where(generator.random(n_videos) < NO_LENGTH, np.nan, world.duration_ms[videos])
    of_videos = pl.DataFrame(
        {
            "video_id": world.item_ids[videos],
            "author_id": world.author[videos],
            "video_type": np.where(generator.random(n_videos) < ADVERTS, "AD", "NORMAL"),
            "upload_dt": uploads.dt.strftime("%Y-%m-%d"),
            "upload_type": choose(UPLOAD_TYPES),
            "visible_status": choose(STATUS),
            "video_duration": pl.Series(length).fill_nan(None),
            "video_width": choose(WIDTHS),
            "video_height": choose(HEIGHTS),
            "music_id": generator.integers(0, 9_000, n_videos),
        }
    )
    counts = _counts(world, videos[video_at], day, generator)
    # The copies of a row differ in their tag alone; a video's tags are all different.
    copies = n_tags[video_at]
    row = np.repeat(np.arange(n_rows), copies)
    which = np.arange(len(row)) - np.repeat(np.cumsum(copies) - copies, copies)
    tag = (generator.integers(0, N_TAGS, n_videos)[video_at[row]] + 7 * which) % N_TAGS
    table = pl.concat([of_videos[video_at], counts], how="horizontal").with_columns(
        date=dates.dt.strftime("%Y%m%d").cast(pl.Int32)
    )[row]
    names = pl.Series(NAMES)[tag % len(NAMES)]
    return table.with_columns(video_tag_id=pl.Series(tag), video_tag_name=names).select(*COLUMNS)


def _counts(
    world: World, videos: npt.NDArray[np.int64], day: npt.NDArray[np.int64], generator: np.random.Generator
) -> pl.DataFrame:
    """Daily counts; one row for each of ``videos`` and ``day``."""
    appeal = world.item_appeal[videos] * len(world.item_appeal)
    show = generator.poisson(SHOWN_MEDIAN * appeal * generator.lognormal(0, SHOWN_SD, len(videos)) + 1)
    play = generator.binomial(show, PLAYED)
    log_time = world.item_log_time(videos.astype(np.int32)).astype(np.float64)
    margin = log_time - np.log(world.duration_ms[videos] / 1000)
    # Everybody's chance, not one user's: their differences are part of the spread.
    spread = np.sqrt(NOISE_SD**2 + USER_SD**2 + TASTE_SD**2)
    complete, at_half = ndtr(margin / spread), ndtr((margin + np.log(2)) / spread)
    valid, long = ndtr((log_time - np.log(7)) / spread), ndtr((log_time - np.log(18)) / spread)
    short = ndtr((np.log(3) - log_time) / spread)
    seconds = np.exp(log_time + spread**2 / 2) * generator.lognormal(0, 0.1, len(videos))
    shares = {"complete_play": complete, "valid_play": valid, "long_time_play": long, "short_time_play": short}
    counts = {"show": show, "play": play, **{name: generator.binomial(play, at) for name, at in shares.items()}}
    counts |= {name: generator.binomial(show, share) for name, share in COUNTS.items()}
    table: dict[str, object] = {}
    for name, count in counts.items():
        # Collecting came later than the log.
        known = day >= COLLECT_FROM if "collect" in name else None
        table[f"{name}_cnt"] = _where(count, known)
        table[f"{name}_user_num"] = _where(np.ceil(count * 0.93).astype(np.int64), known)
    for name, share in LONE_COUNTS.items():
        table[f"{name}_cnt"] = generator.binomial(show, share)
    table["play_duration"] = np.rint(1000 * seconds * play).astype(np.int64)
    table["play_progress"] = np.round(
        np.clip(0.5 * (complete + at_half) * generator.lognormal(0, 0.05, len(videos)), 0.01, 1), 6
    )
    table["comment_stay_duration"] = generator.poisson(show * 20.0)
    return pl.DataFrame(table)


def _where(values: npt.NDArray[np.int64], known: npt.NDArray[np.bool_] | None) -> pl.Series:
    """``values``, empty if they are not ``known``: such a column is written as floats."""
    return pl.Series(values) if known is None else pl.Series(np.where(known, values, np.nan)).fill_nan(None)
