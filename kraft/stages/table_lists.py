"""Which tables are built for what, in the order of the build."""

from typing import Final

from kraft.logs.losses import TEST_ROWS

BASE_TABLES: Final = (
    "user_features",
    "video_metadata",
    "interactions",
    "split",
    "interactions_train",
    "user_index",
    "item_index",
    "user_counts",
    "item_counts",
    "interactions_test",
    TEST_ROWS,
    "test_positives",
    "sample_submission",
)
"""What every preset needs. The small side tables come first: if one of them is broken, nothing large has been
read yet."""
DETAIL_TABLES: Final = ("item_daily", "friends", "video_details")
"""What is known of users and videos beforehand, the same for the train period and for its history."""
PAIR_TABLES: Final = (
    "watch_times",
    "item_stats",
    "smoothed_rates",
    "user_affinity",
    "user_stats",
    "daily_stats",
    "item_features",
    "pair_features",
)
"""The preset kraft's features, each made of a train period; built twice (`kraft.stages.tables.build`)."""

CANDIDATE_TABLES: Final = ("catalogue", "user_item_counts", "recent_positives", "user_categories")
"""Tables that candidates are found with, for both presets; built only if a job asks for them."""
PAGE_TABLES: Final = ("item_daily", "video_details", "video_texts")
"""What pages tell of videos, for both presets; built only if a job asks for them."""
RECENT_POSITIVES: Final = 10
"""Videos liked last that are kept of each user."""
