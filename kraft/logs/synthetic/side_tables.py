"""Users, categories, captions and friends of synthetic data, in KuaiRec's columns and with its quirks.

Marginals follow KuaiRec's own tables: how many users are of which class, how often a value is missing, how
many categories a video has. Texts are made up.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from kraft.logs.synthetic.blocks import blocks
from kraft.logs.synthetic.population import N_CATEGORIES, Ints, World
from kraft.logs.synthetic.texts import COVERS, HASHTAGS, NAMES, caption

Generator = np.random.Generator

USER_BLOCK = 8_192
ACTIVITY = {"full_active": 0.849, "high_active": 0.131, "UNKNOWN": 0.016, "middle_active": 0.004}
FLAGS = {"is_lowactive_period": 0.0005, "is_live_streamer": 0.007, "is_video_author": 0.17}
NUMBERS = {
    "follow_user_num": {0.0: 0, 0.01: 1, 0.1: 3, 0.25: 9, 0.5: 33, 0.75: 130, 0.9: 569, 0.95: 1_407, 1.0: 2_100},
    "fans_user_num": {0.0: 0, 0.3: 0, 0.5: 2, 0.75: 6, 0.9: 14, 0.95: 23, 0.99: 107, 0.999: 2_000, 1.0: 11_401},
    "friend_user_num": {0.0: 0, 0.6: 0, 0.75: 1, 0.9: 5, 0.95: 11, 0.99: 49, 0.998: 400, 1.0: 1_425},
    "register_days": {0.0: 15, 0.01: 21, 0.1: 70, 0.25: 132, 0.5: 225, 0.75: 324, 0.9: 598, 0.95: 955, 1.0: 2_245},
}
"""Quantiles of the numbers."""
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
ONEHOT: tuple[tuple[float, ...] | tuple[int, float], ...] = (
    (0.608, 0.392),
    (0.0004, 0.4295, 0.1026, 0.1322, 0.1527, 0.0673, 0.115, 0.0003),
    (30, 1.6),
    (1_076, 0.75),
    (0.295, 0.467, 0.171, 0.045, 0.011, 0.0063, 0.0029, 0.0011, 0.0002, 0.0002, 0.0002, 0.0001),
    (0.9978, 0.0002, 0.0002, 0.0003, 0.0002, 0.0003, 0.0007, 0.0001, 0.0001, 0.0001),
    (0.435, 0.563, 0.002),
    (47, 0.7),
    (340, 0.6),
    (0.0025, 0.1544, 0.0811, 0.1884, 0.1586, 0.1742, 0.2408),
    (0.1132, 0.0002, 0.5241, 0.2344, 0.1281),
    (0.9288, 0.0053, 0.0659),
    (0.7013, 0.2987),
    (0.8954, 0.1046),
    (0.9052, 0.0948),
    (0.9815, 0.0185),
    (0.9821, 0.0179),
    (0.9855, 0.0145),
)
"""onehot_feat0..17: shares of the values 0, 1, ...; or, of many values, their number n and an exponent a: the k-th most
frequent has a share in proportion to 1 / (k + 1) ** a."""
WITHOUT_FEAT4, WITHOUT_FEATS = 201 / 7_176, 0.0103
"""Share of users without onehot_feat4, and without onehot_feat12..17 (all of them or none); such columns are written as
floats."""
CATEGORY_COUNTS = (0.836, 0.1456, 0.0172, 0.0012)
"""Share of videos with 1, 2, 3, 4 categories: 1.183 on average."""
CATEGORY_SHARES = (
    16, 424, 190, 98, 149, 915, 704, 457, 928, 496, 130, 1_778, 495, 231, 56, 341, 196, 299, 117, 619, 211, 21, 16, 36,
    11, 381, 296, 21, 1_075, 3, 18,
)  # fmt: skip
"""How many of KuaiRec's videos name category 0, 1, ..., 30 first."""
UNCOVERED, UNCAPTIONED, UNTAGGED = 0.624, 0.126, 0.43
"""Shares of the videos without a cover text, a caption, a topic tag."""
FIRST_LEVEL_KEPT = 0.67
"""Share of the videos whose first_level_category_id is the first id of their feat."""
FIRST_LEVELS = 39
UNKNOWN_FIRST, UNKNOWN_SECOND, UNKNOWN_THIRD = 0.004, 0.33, 0.46
"""Shares of unknown categories: of all videos; of those with a first level; of those with a second."""
UNKNOWN_ID = -124
STRAY_LINE_ENDS = 4
"""Captions of the file that hold a carriage return."""
SOCIAL_SHARE = 472 / 7_176
LIKE_MINDED = 6
"""A friend is the most like-minded of so many strangers."""


def user_features(world: World, root: np.random.SeedSequence) -> Iterator[pl.DataFrame]:
    """One row a user: activity, social counts with their classes, 18 anonymized categories; by blocks of users."""
    values = [_onehot_values(index, shares) for index, shares in enumerate(ONEHOT)]
    for number, generator in blocks(len(world.user_ids), USER_BLOCK, root):
        ids = world.user_ids[number * USER_BLOCK : (number + 1) * USER_BLOCK]
        yield _user_block(ids, values, generator)


def _user_block(ids: Ints, onehot: list[npt.NDArray[np.float64]], generator: Generator) -> pl.DataFrame:
    n = len(ids)
    table: dict[str, object] = {
        "user_id": ids,
        "user_active_degree": generator.choice(list(ACTIVITY), n, p=list(ACTIVITY.values())),
        **{name: (generator.random(n) < share).astype(np.int64) for name, share in FLAGS.items()},
    }
    for name, quantiles in NUMBERS.items():
        drawn = np.expm1(np.interp(generator.random(n), list(quantiles), np.log1p(list(quantiles.values()))))
        whole = np.rint(drawn).astype(np.int64)
        bounds, labels = RANGES[name]
        table[name] = whole
        table[f"{name}_range"] = np.array(labels)[np.searchsorted(bounds, whole)]
    without = {4: generator.random(n) < WITHOUT_FEAT4, 12: generator.random(n) < WITHOUT_FEATS}
    for index, shares in enumerate(onehot):
        drawn = np.searchsorted(np.cumsum(shares) / shares.sum(), generator.random(n), side="right")
        missing = without.get(min(index, 12))
        empty = pl.Series(drawn if missing is None else np.where(missing, np.nan, drawn), nan_to_null=True)
        table[f"onehot_feat{index}"] = empty
    return pl.DataFrame(table)


def _onehot_values(index: int, shares: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Share of each value of one of the anonymized categories, in any sum."""
    if shares[0] < 1:
        return np.array(shares)
    count, exponent = int(shares[0]), shares[1]
    # Which of the values are frequent is the same in every block, whatever the seed.
    ranks = np.random.default_rng(index).permutation(count)
    return np.asarray(1.0 / (ranks + 1.0) ** exponent, dtype=np.float64)


def draw_categories(n_items: int, generator: Generator) -> list[list[int]]:
    """Category ids of each video: 1 to 4 of 31, some far more frequent than others."""
    counts = 1 + generator.choice(4, n_items, p=CATEGORY_COUNTS)
    keys = generator.exponential(1.0, (n_items, N_CATEGORIES)) / np.array(CATEGORY_SHARES)
    ranked = np.argsort(keys, axis=1)
    return [ranked[item, : counts[item]].tolist() for item in range(n_items)]


def item_categories(world: World, categories: list[list[int]]) -> Iterator[pl.DataFrame]:
    """One row a video: its categories as the text of a list."""
    yield pl.DataFrame({"video_id": world.item_ids, "feat": [str(ids) for ids in categories]})


def captions(world: World, categories: list[list[int]], root: np.random.SeedSequence) -> Iterator[pl.DataFrame]:
    """One row a video: texts and three levels of categories; a few captions hold a bare carriage return."""
    generator = np.random.default_rng(root)
    n = len(categories)
    tags = [list(generator.choice(HASHTAGS, count, replace=False)) for count in generator.integers(1, 5, n)]
    tags = [[] if untagged else chosen for untagged, chosen in zip(generator.random(n) < UNTAGGED, tags, strict=True)]
    texts = [caption(generator, chosen) for chosen in tags]
    uncaptioned = generator.random(n) < UNCAPTIONED
    for item in generator.choice(n, min(STRAY_LINE_ENDS, n), replace=False):
        uncaptioned[item] = False
        texts[item] = f"{texts[item][:4]}\r{texts[item][4:]}"
    own = np.array([ids[0] if ids else UNKNOWN_ID for ids in categories])
    first = np.where(generator.random(n) < FIRST_LEVEL_KEPT, own, generator.integers(0, FIRST_LEVELS, n))
    first[generator.random(n) < UNKNOWN_FIRST] = UNKNOWN_ID
    second = np.where(generator.random(n) < UNKNOWN_SECOND, UNKNOWN_ID, 100 + 4 * first + generator.integers(0, 4, n))
    second[first == UNKNOWN_ID] = UNKNOWN_ID
    third = np.where(generator.random(n) < UNKNOWN_THIRD, UNKNOWN_ID, 10 * second + generator.integers(0, 2, n))
    third[second == UNKNOWN_ID] = UNKNOWN_ID

    def named(ids: npt.NDArray[np.int64]) -> list[str]:
        return ["UNKNOWN" if number < 0 else f"{NAMES[number % len(NAMES)]}{number}" for number in ids.tolist()]

    yield pl.DataFrame(
        {
            "video_id": world.item_ids,
            "manual_cover_text": np.where(generator.random(n) < UNCOVERED, "UNKNOWN", generator.choice(COVERS, n)),
            "caption": [None if without else text for without, text in zip(uncaptioned, texts, strict=True)],
            "topic_tag": [f"[{','.join(chosen)}]" for chosen in tags],
            "first_level_category_id": first,
            "first_level_category_name": named(first),
            "second_level_category_id": second,
            "second_level_category_name": named(second),
            "third_level_category_id": third,
            "third_level_category_name": named(third),
        }
    )


def social_network(world: World, root: np.random.SeedSequence) -> Iterator[pl.DataFrame]:
    """One row a user who has friends in the data: their ids as the text of a list. Friends think alike."""
    n_users = len(world.user_ids)
    for number, generator in blocks(n_users, USER_BLOCK, root):
        block = np.arange(number * USER_BLOCK, min((number + 1) * USER_BLOCK, n_users))
        users = np.sort(generator.choice(block, max(round(SOCIAL_SHARE * len(block)), 1), replace=False))
        counts = np.minimum(generator.geometric(0.6, len(users)), 5)
        asking = np.repeat(users, counts)
        strangers = generator.integers(0, n_users, (len(asking), LIKE_MINDED))
        apart = np.abs(world.user_level[strangers] - world.user_level[asking, None])
        apart = np.where(strangers == asking[:, None], np.inf, apart)
        chosen = world.user_ids[np.take_along_axis(strangers, apart.argmin(axis=1)[:, None], axis=1)[:, 0]]
        lists = [sorted(set(part.tolist())) for part in np.split(chosen, np.cumsum(counts)[:-1])]
        yield pl.DataFrame({"user_id": world.user_ids[users], "friend_list": [str(friends) for friends in lists]})
