import numpy as np
import pytest

from kraft.models.als.factors import Factors
from kraft.models.candidates import sources
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Als, Block, Categories, Ranked, Similar, WatchTime, new, popular
from kraft.models.candidates.user_rows import Rows
from kraft.models.watch_time.model import WatchTimeModel

NAN = float("nan")


def ints(values):
    return np.array(values, dtype=np.int32)


def a_catalogue(**changed):
    """Six videos; 20 and 50 are not in train."""
    known = {
        "item_id": ints([10, 20, 30, 40, 50, 60]),
        "video_index": ints([0, 1, 2, 3, 4, 5]),
        "item_index": ints([0, -1, 1, 2, -1, 3]),
        "rate": np.array([0.2, NAN, 0.6, 0.6, NAN, 0.4]),
        "expected_rate": np.array([0.3, 0.5, 0.3, 0.3, 0.5, 0.3]),
        "interactions": ints([5, 0, 10, 20, 0, 7]),
        "upload_days": np.array([9.0, NAN, 9, 9, 3, 9]),
        "log_duration": np.array([1.0, 2, 1, NAN, 1, 1]),
        "categories": np.array(
            [[1, -1, -1, -1], [1, 7, -1, -1], [7, -1, -1, -1], [8, -1, -1, -1], [-1] * 4, [1, 8, -1, -1]]
        ),
    }
    return Catalogue(**(known | changed))


def rows_of(users, *values):
    return Rows(ints(users), tuple(map(np.array, values)))


def a_block(users, excluded=((), ()), recent=((), (), ()), tastes=((), (), ())):
    places = rows_of(excluded[0], ints(excluded[1]))
    recent = rows_of(recent[0], ints(recent[1]), ints(recent[2]))
    return Block(ints(users), 16, places, recent, rows_of(tastes[0], ints(tastes[1]), np.array(tastes[2], dtype=float)))


def retrieved(source, block, depth=6, videos=6):
    found = source.retrieve(block, depth, np.empty(block.height * videos, dtype=np.float32))
    assert found.shape == (len(block), depth)
    assert found.dtype == np.int32
    assert all((row[: (row >= 0).sum()] >= 0).all() for row in found)
    return [row[row >= 0].tolist() for row in found]


def factors(user, item):
    return Factors(np.array(user, dtype=np.float32), np.array(item, dtype=np.float32), "dense", 1.0, 0.0, 0.0)


FACTORS = factors([[1, 0], [0, 1], [0, 0]], [[3, 1], [1, 2], [2, 3], [0, 0]])


def test_als_orders_the_videos_of_train_by_the_product():
    # Positions 0, 2, 3 and 5 are in train. User 2 has no factors, -1 no history.
    found = retrieved(Als(FACTORS, a_catalogue()), a_block([-1, 0, 1, 2]))
    assert found == [[], [0, 3, 2, 5], [3, 2, 0, 5], []]


def test_als_leaves_out_what_is_barred_and_ends_at_the_depth():
    block = a_block([0, 1], excluded=([0, 0, 1, 1], [0, 1, 3, 5]))
    assert retrieved(Als(FACTORS, a_catalogue()), block, depth=1) == [[3], [2]]
    assert retrieved(Als(FACTORS, a_catalogue()), block) == [[3, 2, 5], [2, 0]]


def test_of_equal_products_the_lower_position_is_first():
    alike = factors([[1, 1]], [[1, 2], [2, 1], [0, 3], [1, 2]])
    assert retrieved(Als(alike, a_catalogue()), a_block([0])) == [[0, 2, 3, 5]]


def test_watch_time_is_that_of_the_model_less_the_length():
    random = np.random.default_rng(5)

    def some(n):
        return random.standard_normal((n, 3)).astype(np.float32)

    model = WatchTimeModel(some(3), some(3) ** 2, some(6), some(6) ** 2, mean=2.0, noise=0.5)
    videos = a_catalogue(video_index=ints([5, 0, 4, 3, 2, 1]))
    before = model.video.copy()
    found = retrieved(WatchTime(model, videos), a_block([-1, 0, 2]))
    for user, order in zip((0, 2), found[1:], strict=True):
        index = np.full(6, user, dtype=np.int32)
        margins = model.features(index, videos.video_index, videos.log_duration.astype(np.float32))[:, 3]
        # The length of the video at 3 is unknown.
        assert order == [place for place in np.argsort(-margins).tolist() if place != 3]
    assert found[0] == []
    assert (model.video == before).all()


def test_similar_is_the_cosine_with_what_was_liked_last():
    # Item 0 is newest and 1 second: the sum of (3, 1) / sqrt(10) and (1, 2) / sqrt(5) / sqrt(2).
    block = a_block([0, 1, 2], recent=([0, 0, 2], [1, 2, 1], [0, 1, 3]))
    found = retrieved(Similar(FACTORS, a_catalogue()), block)
    liked = np.array([3, 1]) / 10**0.5 + np.array([1, 2]) / 5**0.5 / 2**0.5
    cosines = {0: [3, 1] @ liked / 10**0.5, 2: [1, 2] @ liked / 5**0.5, 3: [2, 3] @ liked / 13**0.5}
    # The video at 5 has no direction: it is not retrieved, and nothing is like it.
    assert found == [sorted(cosines, key=cosines.get, reverse=True), [], []]


def test_similar_weighs_the_newest_most():
    newest_first = a_block([0, 1], recent=([0, 0, 1, 1], [1, 2, 1, 2], [0, 1, 1, 0]))
    sided = factors([[0, 0]] * 2, [[1, 0], [0, 1], [1, 1], [0, 0]])
    assert [order[1] for order in retrieved(Similar(sided, a_catalogue()), newest_first)] == [0, 2]


def test_similar_knows_what_is_not_in_the_catalogue_any_more():
    block = a_block([0], recent=([0], [1], [2]))
    left = a_catalogue().only(np.array([0, 1, 2]))
    assert retrieved(Similar(FACTORS, left), block, videos=3) == [[2, 0]]


def test_categories_add_up_weights_and_rates():
    block = a_block([0, 1, -1, 2], tastes=([0, 0, 1, 3], [1, 7, 8, 99], [0.75, 0.25, 1, 1]))
    # User 0: 10 has .75 x .2, 20 (1 and 7, by its expected rate) 1 x .5, 30 .25 x .6, 60 .75 x .4.
    assert retrieved(Categories(a_catalogue()), block) == [[1, 5, 0, 2], [3, 5], [], []]


def test_a_catalogue_without_categories_retrieves_none():
    block = a_block([0], tastes=([0], [1], [1]))
    assert retrieved(Categories(a_catalogue(categories=np.full((6, 4), -1))), block) == [[]]


def test_popular_is_by_rate_then_interactions_and_new_by_what_is_expected():
    block = a_block([-1, 0], excluded=([1, 1], [2, 4]))
    assert retrieved(popular(a_catalogue()), block) == [[3, 2, 5, 0], [3, 5, 0]]
    # 20 and 50 are expected alike; 50 is newer, the upload of 20 is unknown.
    assert retrieved(new(a_catalogue()), block) == [[4, 1], [1]]


def test_equal_in_everything_the_lower_position_is_first():
    alike = a_catalogue(rate=np.full(6, 0.5), interactions=ints([3] * 6))
    assert retrieved(popular(alike), a_block([0])) == [[0, 1, 2, 3, 4, 5]]
    cold = a_catalogue(rate=np.full(6, NAN), expected_rate=np.full(6, 0.1), upload_days=np.full(6, NAN))
    assert retrieved(new(cold), a_block([0])) == [[0, 1, 2, 3, 4, 5]]
    assert retrieved(popular(cold), a_block([0])) == [[]]


@pytest.mark.parametrize("depth", [1, 3, 10, 1_000])
def test_a_ranked_source_looks_further_for_who_has_seen_the_first(depth):
    random = np.random.default_rng(1)
    order = random.permutation(1_000)[:900]
    seen = [order[:n] for n in (0, 1, 5, 300, 899, 900)] + [random.permutation(1_000)[:500]]
    users = np.repeat(np.arange(len(seen)), [len(positions) for positions in seen])
    block = a_block(range(len(seen)), excluded=(users, np.concatenate(seen)))
    expected = [[place for place in order.tolist() if place not in set(own.tolist())][:depth] for own in seen]
    assert retrieved(Ranked(order, 1_000), block, depth) == expected


def test_a_user_always_stands_in_the_same_row_of_a_product():
    assert a_block([0, 3, 15, 16, 35]).slots.tolist() == [0, 3, 15, 0, 3]


def test_a_category_a_video_does_not_give_a_column_a_video(monkeypatch):
    monkeypatch.setattr(sources, "MOST_CATEGORIES", 3)
    categories = np.full((6, 4), -1)
    categories[:, 0] = [7, 7, 2_147_483_000, 2_147_483_000, 3, 9]
    source = Categories(a_catalogue(categories=categories))
    assert source.queries(a_block([0])).shape == (1, 3)
    liked = [7, 2_147_483_000, 9]
    for category, videos in zip(liked, ({0, 1}, {2, 3}, {4, 5}), strict=True):
        block = a_block([0], tastes=([0], [category], [1.0]))
        assert set(retrieved(source, block)[0]) == videos


def test_the_rarest_categories_that_a_user_likes_add_up(monkeypatch):
    monkeypatch.setattr(sources, "MOST_CATEGORIES", 2)
    categories = np.full((6, 4), -1)
    categories[:, 0] = [7, 7, 7, 7, 3, 9]
    source = Categories(a_catalogue(categories=categories))
    both = a_block([0], tastes=([0, 0, 0], [3, 7, 9], [0.25, 0.25, 0.5]))
    assert source.queries(both).tolist() == [[0.25, 0.75]]
