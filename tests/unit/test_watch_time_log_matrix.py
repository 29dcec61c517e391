import numpy as np
import polars as pl
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from watch_times import write_pages, write_times

from kraft.models.watch_time import log_matrix as time_pages
from kraft.models.watch_time.log_matrix import TimePages


@st.composite
def time_matrices(draw):
    """Times of whole milli log s, NaN where a pair never met; every video has a history, and the last user."""
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cells = st.one_of(st.just(np.nan), st.integers(-4000, 7000).map(lambda milli: milli / 1000))
    times = np.array(draw(st.lists(cells, min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns)
    times[-1] = np.where(np.isnan(times[-1]), 1.5, times[-1])
    return times


@settings(max_examples=examples(40), deadline=None)
@given(times=time_matrices(), block_rows=st.integers(1, 10), batch_rows=st.integers(1, 90))
def test_the_pages_hold_exactly_the_table(tmp_path_factory, times, block_rows, batch_rows):
    folder = tmp_path_factory.mktemp("pages")
    video_index = 3 * np.arange(times.shape[1]) + 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time_pages, "BLOCK_ROWS", block_rows)
        patch.setattr(time_pages, "BATCH_ROWS", batch_rows)
        by_user, by_video, columns = write_pages(folder, times, video_index)
    assert np.array_equal(columns, video_index)
    assert columns.dtype == np.int32
    assert by_user.cells == by_video.cells == np.count_nonzero(~np.isnan(times))
    assert by_user.mean == by_video.mean == pytest.approx(np.nanmean(times), abs=1e-6)
    assert (by_user.n_rows, by_user.n_columns) == times.shape == (by_video.n_columns, by_video.n_rows)
    expected = (times - by_user.mean).astype(np.float32)
    assert np.array_equal(np.load(by_user.matrix.path), expected, equal_nan=True)
    assert np.array_equal(np.load(by_video.matrix.path), expected.T, equal_nan=True)


def test_blocks_cover_the_rows_in_order_and_say_who_met(tmp_path, monkeypatch):
    monkeypatch.setattr(time_pages, "BLOCK_ROWS", 3)
    times = np.random.default_rng(1).normal(size=(8, 5))
    times[::2, 1::2] = np.nan
    pages, *_ = write_pages(tmp_path, times)
    assert list(pages.blocks()) == [(0, 3), (3, 6), (6, 8)]
    blocks = [pages.read(*cut) for cut in pages.blocks()]
    met = ~np.isnan(times)
    assert np.array_equal(np.vstack([block.seen for block in blocks]), met.astype(np.float32))
    expected = np.where(met, times - pages.mean, 0).astype(np.float32)
    assert np.array_equal(np.vstack([block.times for block in blocks]), expected)
    assert [(block.first, block.last) for block in blocks] == list(pages.blocks())
    assert all(block.seen.dtype == block.times.dtype == np.float32 for block in blocks)


def test_what_was_read_is_a_copy(tmp_path):
    pages, *_ = write_pages(tmp_path, np.ones((4, 3)))
    before = pages.matrix.path.read_bytes()
    block = pages.read(0, 4)
    block.times[:] += 1
    assert pages.matrix.path.read_bytes() == before


def test_a_user_without_history_is_a_row_of_nothing(tmp_path):
    times = np.full((4, 2), 1.0)
    times[1] = np.nan
    pages, *_ = write_pages(tmp_path, times)
    assert not pages.read(1, 2).seen.any()
    assert pages.cells == 6


def test_the_mean_does_not_depend_on_the_row_groups(tmp_path):
    times = np.random.default_rng(2).normal(3, 2, size=(60, 70))
    means = set()
    for size in (1, 97, 5000):
        table = write_times(tmp_path / f"{size}.parquet", times, row_group_size=size)
        means.add(TimePages.write(table, tmp_path)[0].mean)
    assert len(means) == 1


def test_a_table_without_rows_makes_pages_without_rows(tmp_path):
    schema = {"user_index": pl.Int32, "video_index": pl.Int32, "log_time": pl.Float64}
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "empty.parquet")
    by_user, by_video, columns = TimePages.write(tmp_path / "empty.parquet", tmp_path)
    assert (by_user.n_rows, by_user.n_columns, by_user.cells, by_user.mean) == (0, 0, 0, 0.0)
    assert list(by_video.blocks()) == []
    assert len(columns) == 0
