"""The five side tables of a twin, in KuaiRec's columns and with its quirks.

Marginals follow KuaiRec's own tables: how many users are of which class, how often a value is missing, how
many categories a video has. Texts are made up.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from kraft.data.twin.calendar import ALL_DAYS, FIRST_DAY, ZONE
from kraft.data.twin.world import N_CATEGORIES, World

Generator = np.random.Generator

ACTIVITY = {"full_active": 0.849, "high_active": 0.131, "UNKNOWN": 0.016, "middle_active": 0.004}
ONEHOT_VALUES = (2, 8, 30, 1_076, 12, 10, 3, 47, 340, 7, 5, 3, 2, 2, 2, 2, 2, 2)
"""Distinct values of onehot_feat0..17."""
ONEHOT_MISSING = {4: 0.028, **dict.fromkeys(range(12, 18), 0.0104)}
"""Share of users without a value; such columns are written as floats."""
RANGES = {
    "follow_user_num": (
        (0, 10, 50, 100, 150, 250, 500),
        ("0", "(0,10]", "(10,50]", "(50,100]", "(100,150]", "(150,250]", "(250,500]", "500+"),
    ),
    "fans_user_num": (
        (0, 9, 99, 999, 4_999, 9_999),
        ("0", "[1,10)", "[10,100)", "[100,1k)", "[1k,5k)", "[5k,1w)", "[1w,10w)"),
    ),
    "friend_user_num": (
        (0, 4, 29, 59, 119, 249),
        ("0", "[1,5)", "[5,30)", "[30,60)", "[60,120)", "[120,250)", "250+"),
    ),
    "register_days": (
        (30, 60, 90, 180, 365, 730),
        ("15-30", "31-60", "61-90", "91-180", "181-365", "366-730", "730+"),
    ),
}
"""Upper bounds of the classes of a number (the last class has none), and their names."""
CATEGORY_COUNTS = (0.836, 0.1456, 0.0172, 0.0012)
"""Share of videos with 1, 2, 3, 4 categories: 1.183 on average."""
DAILY_ROWS_A_VIDEO = 343_341 / 10_728
DAILY_SHARED_KEYS = 226_111 / 343_341
"""Share of daily rows whose (video_id, date) stands in another row too."""
SOCIAL_SHARE = 472 / 7_176
NAMES = (
    "颜值",
    "高新数码",
    "喜剧",
    "明星娱乐",
    "亲子",
    "美食",
    "时尚",
    "运动",
    "音乐",
    "游戏",
    "舞蹈",
    "宠物",
)
WORDS = ("今天", "真好看", "一起", "快来", "生活", "记录", "美好", "#热门", "#日常", "哈哈", "小技巧", "回家")


def user_features(n_users: int, generator: Generator) -> pl.DataFrame:
    """One row a user: activity, social counts with their classes, 18 anonymized categories."""
    numbers = {
        "follow_user_num": np.minimum(generator.lognormal(3.5, 1.3, n_users), 2_000),
        "fans_user_num": np.maximum(generator.lognormal(0.7, 1.5, n_users) - 0.7, 0),
        "friend_user_num": np.maximum(generator.lognormal(-0.2, 1.5, n_users) - 0.9, 0),
        "register_days": 15 + generator.lognormal(5.3, 0.7, n_users),
    }
    table: dict[str, object] = {
        "user_id": np.arange(n_users),
        "user_active_degree": generator.choice(list(ACTIVITY), n_users, p=list(ACTIVITY.values())),
        "is_lowactive_period": (generator.random(n_users) < 0.0005).astype(int),
        "is_live_streamer": (generator.random(n_users) < 0.007).astype(int),
        "is_video_author": (generator.random(n_users) < 0.17).astype(int),
    }
    for name, drawn in numbers.items():
        whole = drawn.astype(np.int64)
        bounds, labels = RANGES[name]
        table[name] = whole
        table[f"{name}_range"] = np.array(labels)[np.searchsorted(bounds, whole)]
    for number, values in enumerate(ONEHOT_VALUES):
        # A few values are common, most are rare.
        drawn = np.minimum((values * generator.beta(0.6, 1.6, n_users)).astype(np.int64), values - 1)
        missing = generator.random(n_users) < ONEHOT_MISSING.get(number, 0.0)
        column = pl.Series(drawn)
        if number in ONEHOT_MISSING:
            column = pl.Series(np.where(missing, np.nan, drawn)).fill_nan(None)
        table[f"onehot_feat{number}"] = column
    return pl.DataFrame(table)


def draw_categories(n_items: int, generator: Generator) -> list[list[int]]:
    """Category ids of each video: 1 to 4 of 31, some far more frequent than others."""
    weights = 1 / (np.arange(N_CATEGORIES) + 2.0)
    generator.shuffle(weights)
    counts = 1 + generator.choice(4, n_items, p=CATEGORY_COUNTS)
    keys = generator.exponential(1.0, (n_items, N_CATEGORIES)) / weights
    ranked = np.argsort(keys, axis=1)
    return [ranked[item, : counts[item]].tolist() for item in range(n_items)]


def item_categories(categories: list[list[int]]) -> pl.DataFrame:
    """One row a video: its categories as the text of a list."""
    return pl.DataFrame({"video_id": range(len(categories)), "feat": [str(ids) for ids in categories]})


def captions(categories: list[list[int]], generator: Generator) -> pl.DataFrame:
    """One row a video: texts and three levels of categories; a few texts hold a bare carriage return."""
    n_items = len(categories)
    words = np.array(WORDS)
    texts = ["".join(words[generator.integers(0, len(words), 5)]) for _ in range(n_items)]
    for item in range(0, n_items, max(n_items // 4, 1)):
        texts[item] = texts[item][:4] + "\r" + texts[item][4:]
    first = np.array([ids[0] if ids else -124 for ids in categories])
    second = np.where(generator.random(n_items) < 0.65, 100 + 4 * first + generator.integers(0, 4, n_items), -124)
    third = np.where((second > 0) & (generator.random(n_items) < 0.5), 10 * second, -124)

    def named(ids: np.ndarray) -> list[str]:
        return [NAMES[number % len(NAMES)] if number >= 0 else "UNKNOWN" for number in ids.tolist()]

    has_text = generator.random(n_items) < 0.87
    return pl.DataFrame(
        {
            "video_id": np.arange(n_items),
            "manual_cover_text": np.where(generator.random(n_items) < 0.62, "UNKNOWN", "封面"),
            "caption": [text if keep else None for text, keep in zip(texts, has_text, strict=True)],
            "topic_tag": np.where(generator.random(n_items) < 0.43, "[]", "[日常,热门]"),
            "first_level_category_id": first,
            "first_level_category_name": named(first),
            "second_level_category_id": second,
            "second_level_category_name": named(second),
            "third_level_category_id": third,
            "third_level_category_name": named(third),
        }
    )


def social_network(n_users: int, generator: Generator) -> pl.DataFrame:
    """One row a user who has friends in the data: their ids as the text of a list."""
    n_rows = max(round(SOCIAL_SHARE * n_users), 1)
    users = np.sort(generator.choice(n_users, n_rows, replace=False))
    friends = [
        str(generator.choice(n_users, min(int(count), n_users), replace=False).tolist())
        for count in np.minimum(generator.geometric(0.6, n_rows), 5)
    ]
    return pl.DataFrame({"user_id": users, "friend_list": friends})


COUNTS = {
    "show": 1.0, "play": 0.8, "complete_play": 0.25, "valid_play": 0.45, "long_time_play": 0.3,
    "short_time_play": 0.2, "like": 0.03, "cancel_like": 0.002, "comment": 0.004, "delete_comment": 0.0003,
    "comment_like": 0.002, "follow": 0.003, "cancel_follow": 0.0004, "share": 0.001, "download": 0.002,
    "report": 0.0001, "reduce_similar": 0.0005, "collect": 0.002, "cancel_collect": 0.0002,
}  # fmt: skip
"""Daily counts, NAME_cnt and NAME_user_num, as a share of the times a video was shown."""
LONE_COUNTS = {"click_like": 0.02, "double_click": 0.01, "direct_comment": 0.003, "reply_comment": 0.001}
"""Daily counts without a number of users."""
DAILY_BLOCK_VIDEOS = 2_048


def daily_features(world: World, seeds: list[np.random.SeedSequence]) -> Iterator[pl.DataFrame]:
    """One row a video and day it was shown, most keys twice; `seeds`: one for each block of videos."""
    n_items = len(world.duration_ms)
    for number, seed in enumerate(seeds):
        generator = np.random.default_rng(seed)
        videos = np.arange(number * DAILY_BLOCK_VIDEOS, min((number + 1) * DAILY_BLOCK_VIDEOS, n_items))
        yield _daily_block(world, videos, generator)


def _daily_block(world: World, videos: np.ndarray, generator: Generator) -> pl.DataFrame:
    # A key that stands there twice gives two of the shared rows.
    twice = DAILY_SHARED_KEYS / 2 / (1 - DAILY_SHARED_KEYS / 2)
    n_keys = DAILY_ROWS_A_VIDEO * (1 - DAILY_SHARED_KEYS / 2)
    upload = generator.integers(0, ALL_DAYS - 1, len(videos))
    days_left = ALL_DAYS - 1 - upload
    shown = generator.random((len(videos), ALL_DAYS - 1)) < np.minimum(n_keys / days_left.mean(), 1.0)
    shown &= np.arange(ALL_DAYS - 1) >= upload[:, None]
    shown[np.arange(len(videos)), upload] = True
    place, day = np.nonzero(shown)
    copies = 1 + (generator.random(len(place)) < twice)
    place, day = np.repeat(place, copies), np.repeat(day, copies)
    n_rows = len(place)
    video = videos[place]
    upload_type = np.array(["LongImport", "ShortImport", "LongCamera", "Kmovie", "PictureSet"])
    widths = generator.choice([720, 1080, 540], len(videos), p=[0.8, 0.1, 0.1])
    static = np.random.default_rng(int(generator.integers(2**31)))
    author, music = static.integers(0, 8_500, len(videos)), static.integers(0, 9_000, len(videos))
    tag, kind = static.integers(0, 2_000, len(videos)), static.integers(0, 5, len(videos))
    is_ad = static.random(len(videos)) < 0.03
    start = np.datetime64(FIRST_DAY.astimezone(ZONE).date()) + 1
    date = pl.Series(start + day.astype("timedelta64[D]"))
    base = np.maximum(generator.lognormal(4.5, 1.2, n_rows) * world.item_appeal[video] * len(world.item_appeal), 1)
    show = generator.poisson(base)
    table: dict[str, object] = {
        "video_id": video,
        "date": date.dt.strftime("%Y%m%d").cast(pl.Int32),
        "author_id": author[place],
        "video_type": np.where(is_ad[place], "AD", "NORMAL"),
        "upload_dt": pl.Series(start + upload[place].astype("timedelta64[D]")).dt.strftime("%Y-%m-%d"),
        "upload_type": upload_type[kind[place]],
        "visible_status": np.full(n_rows, "public"),
        "video_duration": world.duration_ms[video].astype(float),
        "video_width": widths[place],
        "video_height": np.full(n_rows, 1280),
        "music_id": music[place],
        "video_tag_id": tag[place],
        "video_tag_name": np.array(NAMES)[tag[place] % len(NAMES)],
    }
    for name, share in COUNTS.items():
        count = show if name == "show" else generator.binomial(show, share)
        users = (count * 0.93).astype(np.int64)
        # Collecting came later than the log: no value before the second half.
        known = day >= ALL_DAYS // 2 if "collect" in name else np.ones(n_rows, dtype=bool)
        table[f"{name}_cnt"] = _where_known(count, known)
        table[f"{name}_user_num"] = _where_known(users, known)
    for name, share in LONE_COUNTS.items():
        table[f"{name}_cnt"] = generator.binomial(show, share)
    table["play_duration"] = (show * 0.8 * 7_500).astype(np.int64)
    table["play_progress"] = np.round(generator.beta(4, 4, n_rows), 6)
    table["comment_stay_duration"] = generator.poisson(show * 20.0)
    return pl.DataFrame(table)


def _where_known(values: np.ndarray, known: np.ndarray) -> pl.Series:
    return pl.Series(values) if known.all() else pl.Series(np.where(known, values, np.nan)).fill_nan(None)
