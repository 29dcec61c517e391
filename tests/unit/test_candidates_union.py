import numpy as np
import pytest

from kraft.formatting import plain_names
from kraft.models.candidates import BITS, SHARES, names_of
from kraft.models.candidates.union import merge, steps


def merged(lists, n, videos=100):
    """The union for users whose lists are given by source: positions, sources' names, ranks."""
    depth = max(len(own) for lists_of in lists.values() for own in lists_of)
    users = len(next(iter(lists.values())))
    padded = {
        name: np.array([list(own) + [-1] * (depth - len(own)) for own in lists_of], dtype=np.int32).reshape(
            users, depth
        )
        for name, lists_of in lists.items()
    }
    found = merge(padded, n, videos, np.empty(users * videos, dtype=np.float32))
    assert found.positions.shape == found.sources.shape == (users, n)
    return found


def test_the_bits_are_those_of_the_order_in_all_presets():
    assert list(BITS.values()) == [1, 2, 4, 8, 16, 32]
    assert list(BITS) == ["watch_time", "als", "popular", "categories", "similar", "new"]
    assert sum(SHARES.values()) == 100
    assert names_of(0) == ""
    assert names_of(63) == "watch_time+als+popular+categories+similar+new"
    assert names_of(1 + 32) == "watch_time+new"
    assert plain_names("watch_time+new") == "watch time, new videos"
    assert plain_names("") == ""


def test_steps_are_whole_and_as_one_to_the_share():
    found = steps(SHARES)
    assert {found[name] * share for name, share in SHARES.items()} == {60}
    assert steps({"als": 7, "new": 3}) == {"als": 3, "new": 7}


def test_shares_are_quotas():
    # Disjoint lists: of 20 candidates, 6, 4, 3, 2, 2 and 3.
    lists = {name: [range(40 * number, 40 * number + 40)] for number, name in enumerate(SHARES)}
    found = merged(lists, 20, videos=240)
    of_source = np.bincount(found.positions[0] // 40)
    assert of_source.tolist() == [6, 4, 3, 2, 2, 3]
    assert [names_of(mask) for mask in found.sources[0]] == [list(SHARES)[place] for place in found.positions[0] // 40]


def test_the_others_fill_up_what_a_source_lacks():
    lists = {"als": [range(10), []], "popular": [[50], range(20, 60)], "new": [range(60, 90), [3, 99]]}
    found = merged(lists, 15)
    assert np.count_nonzero(found.positions[0] == 50) == 1
    assert [((found.positions[0] < 10).sum(), (found.positions[0] >= 60).sum())] == [(8, 6)]
    assert set(found.positions[1]) == {3, 99, *range(20, 33)}


def test_where_all_end_early_the_list_does():
    found = merged({"als": [[5, 4], []], "new": [[4], []]}, 4)
    assert found.positions.tolist() == [[5, 4, -1, -1], [-1] * 4]
    assert found.sources.tolist() == [[BITS["als"], BITS["new"], 0, 0], [0] * 4]
    assert found.ranks["als"].tolist() == [[1, 2, 0, 0], [0] * 4]
    assert found.ranks["new"].tolist() == [[0, 1, 0, 0], [0] * 4]


def test_the_order_is_by_the_best_rank_and_of_equal_ones_by_position():
    # Priorities (rank / share x 60): als 3, 6, 9; new 4, 8; similar 6, 12.
    lists = {"als": [[30, 20, 10]], "new": [[10, 5]], "similar": [[7, 30]]}
    found = merged(lists, 6)
    # 30 has 3, 10 has 4; 7 and 20 both have 6.
    assert found.positions[0].tolist() == [30, 10, 7, 20, 5, -1]
    assert found.ranks["similar"][0].tolist() == [2, 0, 1, 0, 0, 0]
    assert found.ranks["als"][0].tolist() == [1, 3, 0, 2, 0, 0]


def test_a_source_counts_where_its_own_rank_reaches_the_quota():
    # 10 is also third of als (9), but the last candidate has 6.
    lists = {"als": [[30, 20, 10]], "new": [[10, 5]], "similar": [[7, 30]]}
    found = merged(lists, 4)
    assert [names_of(mask) for mask in found.sources[0]] == ["als", "new", "similar", "als"]
    assert [names_of(mask) for mask in merged(lists, 5).sources[0]] == ["als", "new", "similar", "als", "new"]
    longer = {"als": [[30, 20, 10]], "new": [[10, 5, 6]], "similar": [[7, 30]]}
    # Now the last has 12: all ranks count.
    assert [names_of(mask) for mask in merged(longer, 6).sources[0]] == [
        "als+similar",
        "als+new",
        "similar",
        "als",
        "new",
        "new",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_union_is_that_of_a_plain_sort(seed):
    random = np.random.default_rng(seed)
    users, videos, depth, n = 7, 60, 12, 12
    lists = {name: [random.permutation(videos)[: random.integers(depth + 1)] for _ in range(users)] for name in SHARES}
    found = merged(lists, n, videos)
    for user in range(users):
        priority = {}
        for name, own in lists.items():
            for rank, video in enumerate(own[user].tolist(), 1):
                priority.setdefault(video, {})[name] = (rank, rank * 60 // SHARES[name])
        least = {video: min(step for _, step in ranks.values()) for video, ranks in priority.items()}
        order = sorted(least, key=lambda video, least=least: (least[video], video))[:n]
        assert found.positions[user].tolist() == order + [-1] * (n - len(order))
        last = least[order[-1]]
        for place, video in enumerate(order):
            names = [name for name in SHARES if name in priority[video] and priority[video][name][1] <= last]
            assert names_of(found.sources[user, place]) == "+".join(names)
            for name in SHARES:
                assert found.ranks[name][user, place] == priority[video].get(name, (0, 0))[0]
