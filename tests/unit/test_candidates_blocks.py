import numpy as np
import pytest

from kraft.models.candidates.blocks import ROOM_OF_A_BLOCK, ROOM_OF_LIBRARIES, _cuts, workers
from kraft.settings import MIB


def cut(users, height):
    index = np.array(users, dtype=np.int32)
    return [index[part].tolist() for part in _cuts(index, height)]


def test_all_users_fill_their_blocks():
    assert cut(range(10), 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert cut([], 4) == []


def test_no_two_of_a_block_stand_in_the_same_row():
    assert cut([0, 4, 8, 9, 10, 12], 4) == [[0], [4], [8, 9, 10], [12]]
    assert cut([1, 2, 4, 7, 9], 4) == [[1, 2, 4, 7], [9]]


def test_users_without_a_history_count_too():
    assert cut([-1, 0, -1, 1, -1, 2], 4) == [[-1, 0, -1, 1], [-1, 2]]
    assert cut([-1] * 9, 4) == [[-1] * 4, [-1] * 4, [-1]]


@pytest.mark.parametrize("height", [16, 64])
def test_blocks_hold_every_user_once_in_order(height):
    users = np.sort(np.random.default_rng(2).permutation(1_000)[:300])
    blocks = cut(users, height)
    assert [user for block in blocks for user in block] == users.tolist()
    for block in blocks:
        assert len({user % height for user in block}) == len(block)


def test_blocks_side_by_side_are_those_that_the_limit_has_room_for():
    assert workers(8, 384 * MIB) == 1
    assert workers(8, ROOM_OF_LIBRARIES + 3 * ROOM_OF_A_BLOCK) == 3
    assert workers(2, 1024 * MIB) == 2
