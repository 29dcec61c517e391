"""`kraft.models.rerank`: maximal marginal relevance against the definition, one user at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kraft.models import rerank as diversity_module
from kraft.models.rerank import UNKNOWN, Content, pool_size, rerank

CONTENT = Content(
    categories=np.array([[1, 2, -1], [1, 2, -1], [1, 3, -1], [4, -1, -1], [-1, -1, -1], [-1, -1, -1]]),
    author=np.array([7, 7, 8, 7, -1, -1]),
)


def similar(one, other):
    """As the documentation says, for two rows of CONTENT."""
    first, second = ({code for code in CONTENT.categories[row] if code != UNKNOWN} for row in (one, other))
    jaccard = len(first & second) / len(first | second) if first | second else 0.0
    return (jaccard + (CONTENT.author[one] == CONTENT.author[other] != UNKNOWN)) / 2


def plain(videos, scores, top, diversity):
    """Columns chosen for one user, by the definition."""
    known = [column for column, video in enumerate(videos) if video != UNKNOWN]
    low, high = (least(scores[column] for column in known) for least in (min, max)) if known else (0, 0)
    relevance = {column: (scores[column] - low) / (high - low) if high > low else 1.0 for column in known}
    chosen = []
    while known and len(chosen) < top:

        def value(column):
            nearest = max((similar(videos[column], videos[taken]) for taken in chosen), default=0.0)
            return (1 - diversity) * relevance[column] - diversity * nearest

        best = max(known, key=lambda column: (value(column), -column))
        known.remove(best)
        chosen.append(best)
    return chosen


def test_similarity_is_the_mean_of_shared_categories_and_a_shared_author():
    rows = np.arange(6)
    found = CONTENT.of(rows[:, None]).similarity(CONTENT.of(rows[None, :]))
    assert found.tolist() == [[similar(one, other) for other in rows] for one in rows]
    assert found[0].tolist() == [1.0, 1.0, 1 / 6, 0.5, 0.0, 0.0]


@given(
    pools=st.lists(st.permutations(range(6)).map(lambda row: row[:4]), min_size=1, max_size=5),
    lengths=st.lists(st.integers(0, 4), min_size=5, max_size=5),
    steps=st.lists(st.integers(0, 8), min_size=4, max_size=4),
    top=st.integers(1, 6),
    diversity=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)
def test_lists_are_those_of_the_definition(pools, lengths, steps, top, diversity):
    videos = np.array([[*row[:length], *[UNKNOWN] * (4 - length)] for row, length in zip(pools, lengths, strict=False)])
    scores = np.broadcast_to(2.0 - np.cumsum(steps) / 8, videos.shape)
    found = rerank(videos, scores, CONTENT, top, diversity)
    assert found.shape == (len(pools), min(top, 4))
    for row, chosen in zip(range(len(pools)), found.tolist(), strict=True):
        expected = plain(videos[row].tolist(), scores[row].tolist(), top, diversity)
        assert chosen == expected + [UNKNOWN] * (len(chosen) - len(expected))


def test_without_diversity_the_order_is_that_of_the_scores():
    videos = np.array([[0, 1, 2, 3]])
    assert rerank(videos, np.array([[0.9, 0.9, 0.5, 0.1]]), CONTENT, 3, 0.0).tolist() == [[0, 1, 2]]


def test_all_diversity_takes_the_least_similar_next():
    videos = np.array([[0, 1, 2, 5]])
    assert rerank(videos, np.array([[0.9, 0.8, 0.5, 0.1]]), CONTENT, 4, 1.0).tolist() == [[0, 3, 2, 1]]


def test_results_do_not_depend_on_the_users_at_once(monkeypatch):
    random = np.random.default_rng(3)
    videos = np.stack([random.permutation(6) for _ in range(9)])
    scores = -np.sort(-random.random(videos.shape))
    whole = rerank(videos, scores, CONTENT, 5, 0.4)
    monkeypatch.setattr(diversity_module, "_USERS_AT_ONCE", 2)
    assert rerank(videos, scores, CONTENT, 5, 0.4).tolist() == whole.tolist()


def test_no_user_at_all():
    assert rerank(np.empty((0, 4), np.int64), np.empty((0, 4)), CONTENT, 3, 0.5).shape == (0, 3)


@pytest.mark.parametrize(("top", "pool"), [(1, 100), (10, 100), (11, 110)])
def test_pool(top, pool):
    assert pool_size(top) == pool
