import numpy as np
import pytest

from kraft.models.code_columns import CodeColumns, positions_of

HUGE = 2_147_483_000


@pytest.mark.parametrize("asked", [[], [0, 5, HUGE], [4, HUGE + 1, -1], [[5, 0], [HUGE, 3]]])
def test_positions_are_those_of_a_dictionary(asked):
    known = np.array([0, 5, HUGE])
    expected = [{0: 0, 5: 1, HUGE: 2}.get(int(one), -1) for one in np.ravel(asked)]
    found = positions_of(known, np.array(asked, dtype=np.int64))
    assert found.shape == np.shape(asked)
    assert found.ravel().tolist() == expected


def test_nothing_is_found_among_nothing():
    assert positions_of(np.empty(0, np.int64), np.array([3, -1])).tolist() == [-1, -1]


def test_a_code_that_occurs_has_a_column_whatever_its_value():
    columns = CodeColumns.of(np.array([[HUGE, 0], [5, -1], [0, -1]]), most=4)
    assert (len(columns), columns.sharing) == (3, 0)
    assert columns.positions(np.array([[0, 5], [HUGE, -1], [7, 7]])).tolist() == [[0, 1], [2, -1], [-1, -1]]


def test_where_codes_are_too_many_the_most_frequent_keep_a_column_and_the_rest_share_one():
    codes = np.repeat([HUGE, 1, 2, 3], [5, 4, 2, 2])
    columns = CodeColumns.of(codes, most=3)
    assert (len(columns), columns.sharing) == (3, 2)
    assert columns.known.tolist() == [1, HUGE]
    assert columns.positions(np.array([HUGE, 1, 2, 3, -1])).tolist() == [1, 0, 2, 2, -1]


def test_as_many_codes_as_columns_share_none():
    assert CodeColumns.of(np.arange(10), most=10).sharing == 0
    assert len(CodeColumns.of(np.arange(10), most=9)) == 9


def test_of_equally_frequent_codes_the_smaller_ones_keep_a_column():
    assert CodeColumns.of(np.array([9, 7, 5, 3]), most=3).known.tolist() == [3, 5]


def test_no_codes_have_no_columns():
    columns = CodeColumns.of(np.full((3, 2), -1), most=5)
    assert len(columns) == 0
    assert columns.positions(np.array([-1, 4])).tolist() == [-1, -1]
