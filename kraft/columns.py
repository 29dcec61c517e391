"""Names of the columns that more than one part of KRAFT reads or writes, and the order of the features.

A name is spelled here once for Python; `sql/` spells its own, and the tests of the tables compare the two.
"""

from collections.abc import Collection
from typing import Final

# Keys and labels.
USER_ID: Final = "user_id"
"""KuaiRec's id of a user; an integer from 0, sparse."""
ITEM_ID: Final = "item_id"
"""KuaiRec's id of a video (`video_id` in the raw files); an integer from 0."""
USER_INDEX: Final = "user_index"
"""Row of the user in the factor matrix, from 0 in the order of the ids; `UNKNOWN_INDEX` if not in train."""
ITEM_INDEX: Final = "item_index"
"""Row of the video in the factor matrix, from 0 in the order of the ids; `UNKNOWN_INDEX` if not in train."""
POSITIVE_INTERACTION: Final = "positive_interaction"
"""The label: the watch ratio reached the threshold."""
SCORE: Final = "score"
"""The ranker's probability of a positive interaction, from 0 to 1."""

VIDEO_INDEX: Final = "video_index"
"""Row of the video in the watch time model, from 0 in the order of the ids; `UNKNOWN_INDEX` if it is unknown."""
TIMESTAMP: Final = "timestamp"
"""When, unix time [s]; missing where the log has none."""
IS_WARM: Final = "is_warm"
"""Whether a video has a history."""
LOG_DURATION: Final = "log_duration"
"""Length of a video [log s]."""

UNKNOWN_INDEX: Final = -1
"""Factor row of a user or video that does not occur in train."""

# Features of the ranker, in the order in which the model sees them.
ONEHOT_FEATURES: Final = tuple(f"onehot_feat{number}" for number in range(18))
"""Anonymized categories of a user."""
CATEGORICAL_FEATURES: Final = ("user_active_degree", *ONEHOT_FEATURES)
"""19 user columns whose values are names, not amounts; stored as codes from 0, missing being a code too."""
NUMERICAL_FEATURES: Final = (
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num",
    "fans_user_num",
    "friend_user_num",
    "register_days",
)
"""7 user columns that are amounts or flags; missing is 0."""
NUM_CATEGORIES: Final = "num_categories"
"""How many content categories a video has; 0 if none is known."""
USER_INTERACTION_COUNT: Final = "user_interaction_count"
"""Rows of the user in train."""
ITEM_INTERACTION_COUNT: Final = "item_interaction_count"
"""Rows of the video in train; 0 for a cold one."""

LEADING_FEATURES: Final = (*CATEGORICAL_FEATURES, *NUMERICAL_FEATURES, NUM_CATEGORIES)
"""Features stored in the ranker's tables that stand before the factors."""
TRAILING_FEATURES: Final = (USER_INTERACTION_COUNT, ITEM_INTERACTION_COUNT)
"""Features stored in the ranker's tables that stand after the factors."""
STORED_FEATURES: Final = (*LEADING_FEATURES, *TRAILING_FEATURES)
"""Every feature that a ranker table stores; the factors are gathered batch by batch instead."""


def factor_features(n_factors: int) -> tuple[str, ...]:
    """user_factor_0.. and item_factor_0.., ``n_factors`` of each: the features that no table stores."""
    return tuple(f"{side}_factor_{number}" for side in ("user", "item") for number in range(n_factors))


def ranker_features(n_factors: int) -> tuple[str, ...]:
    """Names of the ranker's features in their order.

    >>> len(ranker_features(64))
    157
    """
    return (*LEADING_FEATURES, *factor_features(n_factors), *TRAILING_FEATURES)


# Features of the preset kraft.
WATCH_TIME_FEATURES: Final = (
    "user_level",
    "video_level",
    "taste",
    "margin",
    "margin_of_video",
    "margin_of_user",
    "margin_in_sd",
    "uncertainty",
)
"""What the watch time model says of a pair (`kraft.models.watch_time.model.WatchTimeModel.features`)."""
PAIR_FEATURE_GROUPS: Final = {
    "length": (LOG_DURATION, "duration_rate", "duration_beyond_user", "duration_taste"),
    "user": ("user_count", "user_rate", "user_ratio", "user_log_time", "user_idle_days"),
    "item": ("item_count", "item_rate", "item_ratio", "item_daily", "item_idle_days"),
    "video": ("upload_days", "author_rate", "tag_rate", "upload_rate"),
    "categories": ("category_rate", "num_categories", "caption_rate_1", "caption_rate_2", "caption_rate_3"),
    "daily": (
        "daily_days",
        "daily_shows",
        "daily_log_time",
        "daily_complete",
        "daily_long",
        "daily_short",
        "daily_like",
        "daily_progress",
    ),
    "taste": ("category_taste", "author_taste"),
    "friends": ("friend_rate",),
}
"""The features that `pair_features` stores, by what they are made of."""
WATCH_TIME: Final = "watch-time"
"""The group of the features that are not stored but computed by the watch time model; without it, what else is made of
watch times alone (`WATCHED_FEATURES`) is left out too."""
WATCH_RATIO: Final = "watch-ratio"
"""The group of `RATIO_FEATURES`, which belong to the groups user and item too: without ratios they say nothing."""
WATCHED_FEATURES: Final = ("user_log_time",)
RATIO_FEATURES: Final = ("user_ratio", "item_ratio")


def pair_features(without: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the preset kraft's features in their order, but for those of the groups ``without``.

    >>> len(pair_features()), len(pair_features({"daily"}))
    (42, 34)
    """
    groups = {WATCH_TIME: WATCH_TIME_FEATURES, **PAIR_FEATURE_GROUPS}
    other = {
        *(WATCHED_FEATURES if WATCH_TIME in without else ()),
        *(RATIO_FEATURES if WATCH_RATIO in without else ()),
    }
    return tuple(name for group, names in groups.items() if group not in without for name in names if name not in other)
