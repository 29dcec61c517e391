import numpy as np
import pytest

from kraft.models.candidates import top
from kraft.models.candidates.top import NOBODY, best, block_rows, multiply


def plainly(scores, n):
    """The best columns by a plain sort of each row."""
    rows = []
    for row in scores.tolist():
        order = sorted((-score, column) for column, score in enumerate(row) if score > -np.inf)
        rows.append([column for _, column in order[:n]] + [NOBODY] * (n - len(order)))
    return rows


def some_scores(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


@pytest.mark.parametrize(
    ("columns", "n"), [(7, 3), (7, 7), (7, 20), (500, 40), (5_000, 60), (5_000, 1), (5_000, 4_000)]
)
def test_the_best_are_those_of_a_plain_sort(columns, n):
    scores = some_scores(6, columns)
    assert best(scores, n).tolist() == plainly(scores, n)


@pytest.mark.parametrize("columns", [50, 5_000])
@pytest.mark.parametrize("n", [1, 30, 49, 4_000])
def test_of_equal_scores_the_lower_column_is_first(columns, n):
    scores = np.round(some_scores(5, columns))
    scores[0] = 3
    scores[1] = np.where(scores[1] > 0, -0.0, 0.0)
    assert best(scores, n).tolist() == plainly(scores, n)


@pytest.mark.parametrize("columns", [50, 5_000])
@pytest.mark.parametrize("n", [1, 30, 49, 400])
def test_what_may_not_be_taken_is_not(columns, n):
    scores = some_scores(8, columns)
    for row, left in enumerate([0, 1, 2, 29, 30, 31, columns // 2, columns]):
        excluded = np.random.default_rng(row).permutation(columns)[left:]
        scores[row, excluded] = -np.inf
    found = best(scores, n)
    assert found.tolist() == plainly(scores, n)
    assert [int((row >= 0).sum()) for row in found] == [min(n, left) for left in (0, 1, 2, 29, 30, 31)] + [
        min(n, columns // 2),
        min(n, columns),
    ]


def test_a_sample_that_misleads_costs_time_only():
    # Every 16th score is looked at: here these are the best, the worst, or all the same.
    scores = some_scores(4, 4_800)
    scores[0, ::16] += 100
    scores[1, ::16] -= 100
    scores[2, ::16] = 0
    scores[3] = np.where(np.arange(4_800) % 16 == 0, -np.inf, scores[3])
    for n in (5, 100, 1_000):
        assert best(scores, n).tolist() == plainly(scores, n)


def test_the_lowest_and_the_highest_floats_keep_their_order():
    limits = np.finfo(np.float32)
    scores = np.array([[limits.min, np.inf, -np.inf, limits.max, limits.tiny, -limits.tiny, 0]], dtype=np.float32)
    assert best(scores, 7).tolist() == [[1, 3, 4, 6, 5, 0, NOBODY]]


def test_nothing_has_no_best():
    assert best(np.empty((0, 5), np.float32), 3).shape == (0, 3)
    assert best(np.empty((2, 0), np.float32), 3).tolist() == [[NOBODY] * 3] * 2
    assert best(some_scores(2, 5), 0).shape == (2, 0)


def test_a_row_does_not_depend_on_the_others():
    scores = np.round(some_scores(40, 3_000), 1)
    scores[3] = 1
    scores[5, 10:] = -np.inf
    whole = best(scores, 50)
    assert all((best(scores[row : row + 1], 50)[0] == whole[row]).all() for row in range(40))


def test_a_block_fits_its_bytes_and_is_a_power_of_two():
    for videos in (1, 100, 3_327, 10_728, 50_000, 200_000):
        rows = block_rows(videos)
        assert rows & (rows - 1) == 0
        assert rows == top.MOST_ROWS or top.BLOCK_BYTES / 2 < rows * videos * 4 <= top.BLOCK_BYTES
    assert block_rows(10_000_000) == top.LEAST_ROWS


@pytest.mark.parametrize("factors", [1, 13, 64])
def test_a_product_has_the_same_bits_whoever_else_is_in_the_block(factors):
    videos, queries = some_scores(1_003, factors, 1), some_scores(64, factors, 2)
    buffer = np.empty(64 * 1_003, dtype=np.float32)
    whole = multiply(queries, videos, np.arange(64), 64, buffer).copy()
    assert np.allclose(whole, queries @ videos.T, atol=1e-4)
    for asked in ([5], [0, 1, 2], [63, 7, 12, 11], [*range(20, 60)]):
        slots = np.array(asked)
        assert (multiply(queries[slots], videos, slots, 64, buffer) == whole[slots]).all()
