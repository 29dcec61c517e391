import ast
import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from kraft.engine.process.memmap import PagedArray

matrices = st.sampled_from([np.uint8, np.float32]).flatmap(
    lambda kind: arrays(kind, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
)


def write(path, cells):
    pages = PagedArray.create(path, cells.dtype.type, cells.shape)
    pages.map("r+")[:] = cells
    return pages


@settings(max_examples=examples(60), deadline=None)
@given(cells=matrices, block_bytes=st.integers(1, 400))
def test_a_matrix_and_its_transpose_are_files_that_numpy_reads(tmp_path_factory, cells, block_bytes):
    folder = tmp_path_factory.mktemp("pages")
    pages = write(folder / "a.npy", cells)
    turned = pages.transpose(folder / "b.npy", block_bytes)
    for kept, expected in ((pages, cells), (turned, cells.T)):
        assert kept.shape == expected.shape
        for read in (kept.map(), np.load(kept.path)):
            assert read.dtype == cells.dtype
            assert np.array_equal(read, expected, equal_nan=True)


@settings(max_examples=examples(60), deadline=None)
@given(shape=array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9), block_bytes=st.integers(1, 400))
def test_blocks_cover_the_rows_in_order_and_are_as_small_as_asked(tmp_path_factory, shape, block_bytes):
    pages = PagedArray.create(tmp_path_factory.mktemp("pages") / "a.npy", np.int32, shape)
    cuts = list(pages.blocks(block_bytes))
    assert [row for cut in cuts for row in range(*cut)] == list(range(shape[0]))
    assert all(last - first == 1 or pages.map()[first:last].nbytes <= block_bytes for first, last in cuts)


def test_a_change_of_a_private_map_stays_in_memory(tmp_path):
    pages = write(tmp_path / "a.npy", np.arange(6, dtype=np.float32))
    private = pages.map("c")
    private[:] = 7
    assert pages.map().tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="read-only"):
        pages.map()[0] = 1


def test_mapping_parses_no_header(tmp_path, monkeypatch):
    # Parsed in several threads, a header now and then fails: a collection of garbage in the parser that runs Python,
    # as Hypothesis' own does, lets another thread count its depth on.
    pages = write(tmp_path / "a.npy", np.arange(12, dtype=np.uint8).reshape(3, 4))
    parsed = []
    monkeypatch.setattr(ast, "literal_eval", lambda *_: parsed.append(threading.get_ident()))
    with ThreadPoolExecutor(2) as pool:
        sums = list(pool.map(lambda row: int(pages.map()[row].sum()), range(3)))
    assert (sums, parsed) == ([6, 22, 38], [])


def test_pages_have_their_room_before_they_are_filled(tmp_path):
    pages = PagedArray.create(tmp_path / "pages.npy", np.float32, (300, 1000))
    assert pages.path.stat().st_blocks * 512 >= 300 * 1000 * 4
    assert not np.load(pages.path).any()


def test_pages_that_find_no_room_say_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=r"No space left on device: '.*pages\.npy'"):
        PagedArray.create(tmp_path / "pages.npy", np.float32, (300, 1000))


@pytest.mark.parametrize("shape", [(0, 7), (7, 0)])
def test_pages_without_a_cell(tmp_path, shape):
    pages = PagedArray.create(tmp_path / "pages.npy", np.int32, shape)
    assert np.load(pages.path).shape == pages.map().shape == shape
    assert pages.transpose(tmp_path / "turned.npy").shape == shape[::-1]
