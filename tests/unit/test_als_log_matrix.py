import resource

import numpy as np
import polars as pl
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from kraft.errors import InputError
from kraft.models.als import log_batches, log_matrix
from kraft.models.als.log_batches import CountFacts, Log, inspect_counts, read_batches
from kraft.models.als.log_matrix import CsrPages, DensePages

NAMES = ("user_index", "item_index", "positive_count")


@st.composite
def count_matrices(draw):
    """A matrix of codes: 0 not observed, else 1 + positives."""
    rows, columns = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    cells = st.sampled_from((0, 0, 1, 2, 3, 255))
    return np.array(draw(st.lists(cells, min_size=rows * columns, max_size=rows * columns)), np.uint8).reshape(
        rows, columns
    )


def write_counts(path, codes, names=NAMES):
    rows, columns = np.nonzero(codes)
    values = (rows, columns, codes[rows, columns].astype(np.int32) - 1)
    pl.DataFrame({n: v.astype(np.int32) for n, v in zip(names, values, strict=True)}).write_parquet(
        path, row_group_size=7
    )
    return path


def batches_of(path, n_items, *, store_zeros=True):
    return read_batches(path, "user_index", "item_index", n_items, store_zeros=store_zeros)


@settings(max_examples=examples(40), deadline=None)
@given(codes=count_matrices(), store_zeros=st.booleans(), block_bytes=st.integers(1, 200))
def test_both_forms_hold_exactly_the_table(tmp_path_factory, codes, store_zeros, block_bytes):
    folder = tmp_path_factory.mktemp("pages")
    table = write_counts(folder / "counts.parquet", codes)
    n_rows, n_columns = codes.shape
    kept = codes if store_zeros else np.where(codes == 1, 0, codes)
    rows, columns = np.nonzero(kept)
    expected = sparse.coo_matrix((kept[rows, columns].astype(np.float32) - 1, (rows, columns)), codes.shape).tocsr()

    dense = DensePages.write(
        batches_of(table, n_columns, store_zeros=store_zeros), n_rows, n_columns, folder / "codes.npy"
    )
    assert np.array_equal(np.load(dense.codes.path), kept)
    turned = dense.transpose(folder / "turned.npy")
    assert np.array_equal(np.vstack([turned.read(row, row + 1) for row in range(n_columns)]), kept.T)

    if len(rows):
        batches = batches_of(table, n_columns, store_zeros=store_zeros)
        csr = CsrPages.write(batches, n_rows, len(rows), folder / "csr")
        blocks = list(csr.blocks(block_bytes))
        assert [block.first for block in blocks[1:]] == [block.last for block in blocks[:-1]]
        assert np.array_equal(csr.indptr, expected.indptr)
        assert np.array_equal(np.concatenate([block.indices for block in blocks]), expected.indices)
        assert np.array_equal(np.concatenate([block.data for block in blocks]), expected.data)
        for block in blocks:
            assert block.indptr[0] == 0
            assert block.indptr[-1] == len(block.data)
            assert block.data.flags.writeable
            assert block.last - block.first == 1 or len(block.data) <= block_bytes // 8


def test_batches_stay_small_and_in_order_over_many_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(log_batches, "BATCH_ROWS", 10)
    table = write_counts(tmp_path / "counts.parquet", np.full((9, 11), 2, np.uint8))
    batches = list(batches_of(table, 11))
    assert max(len(batch.rows) for batch in batches) <= 10
    keys = np.concatenate([batch.rows * 11 + batch.columns for batch in batches])
    assert np.array_equal(keys, np.arange(99))


def test_facts_of_a_table(tmp_path):
    table = write_counts(tmp_path / "counts.parquet", np.array([[0, 1, 3], [2, 0, 1]], np.uint8))
    assert inspect_counts(table, 2, 3) == (4, 2, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_index": 2}, "user_index is 2, but must be from 0 to 1"),
        ({"item_index": -1}, "item_index is -1, but must be from 0 to 2"),
        ({"positive_count": -3}, "positive_count is -3, but must be from 0"),
        ({"positive_count": 2**31}, "positive_count is 2,147,483,648, but must be"),
        ({"item_index": None}, "column item_index lacks 1 values"),
        ({"item_index": 0.5}, "no column item_index of integers"),
    ],
)
def test_a_table_that_breaks_its_contract_is_refused(tmp_path, change, message):
    path = tmp_path / "counts.parquet"
    good = {"user_index": 0, "item_index": 0, "positive_count": 1}
    pl.DataFrame([good | change, good], infer_schema_length=None).write_parquet(path)
    with pytest.raises(InputError, match=message):
        inspect_counts(path, 2, 3)


def test_an_empty_table_and_a_missing_column_are_refused(tmp_path):
    empty = write_counts(tmp_path / "empty.parquet", np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match="no user-item pairs"):
        inspect_counts(empty, 2, 2)
    other = write_counts(tmp_path / "other.parquet", np.ones((2, 2), np.uint8), ("user_index", "a", "b"))
    with pytest.raises(InputError, match="no column item_index"):
        inspect_counts(other, 2, 2)


@pytest.mark.parametrize("pairs", [[(0, 1), (0, 0)], [(1, 0), (0, 1)], [(0, 1), (0, 1)]])
@pytest.mark.parametrize("batch_rows", [1, 100])
def test_pairs_out_of_order_or_twice_are_refused(tmp_path, monkeypatch, pairs, batch_rows):
    monkeypatch.setattr(log_batches, "BATCH_ROWS", batch_rows)
    path = tmp_path / "counts.parquet"
    pl.DataFrame([(*pair, 1) for pair in pairs], schema=list(NAMES), orient="row").write_parquet(path)
    with pytest.raises(InputError, match=r"not sorted by \(user_index, item_index\)"):
        list(batches_of(path, 2))


@pytest.mark.parametrize("entries", [3, 5])
def test_the_other_orientation_must_hold_as_many_pairs(tmp_path, entries):
    table = write_counts(tmp_path / "counts.parquet", np.ones((2, 2), np.uint8))
    with pytest.raises(InputError, match=f"csr: 4 pairs, but {entries} by user"):
        CsrPages.write(batches_of(table, 2), 2, entries, tmp_path / "csr")


def write_log(folder, pairs, n_users, n_items):
    """A log of (user_index, item_index, positive), with ids that are not their indices."""
    rows = [(7 * user + 3, 5 * item + 1, positive) for user, item, positive in pairs]
    schema = {"user_id": pl.Int32, "item_id": pl.Int32, "positive_interaction": pl.Boolean}
    pl.DataFrame(rows, schema, orient="row").write_parquet(folder / "rows.parquet", row_group_size=5)
    for name, n_rows, step, first in (("user", n_users, 7, 3), ("item", n_items, 5, 1)):
        index = np.arange(n_rows, dtype=np.int32)
        pl.DataFrame({f"{name}_id": step * index + first, f"{name}_index": index}).write_parquet(
            folder / f"{name}.parquet"
        )
    return Log(folder / "rows.parquet", folder / "user.parquet", folder / "item.parquet")


@settings(max_examples=examples(40), deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.booleans()), min_size=1, max_size=80),
    store_zeros=st.booleans(),
    counted=st.sampled_from([1, 7, 14, 20, 35]),
    looked_up=st.sampled_from([0, 10**6]),
)
def test_a_log_is_counted_as_a_plain_loop_counts_it(tmp_path_factory, pairs, store_zeros, counted, looked_up):
    folder = tmp_path_factory.mktemp("log")
    counts = dict.fromkeys(((user, item) for user, item, _ in pairs), 0)
    for user, item, positive in pairs:
        counts[user, item] += positive
    expected = np.zeros((5, 7), np.uint8)
    for cell, positives in counts.items():
        expected[cell] = positives + 1 if store_zeros or positives else 0

    log = write_log(folder, pairs, 5, 7)
    with pytest.MonkeyPatch.context() as patch:
        # Blocks of one, two or all five rows.
        patch.setattr(log_matrix, "COUNTED_BYTES", counted)
        patch.setattr(log_batches, "LARGEST_LOOKUP", looked_up)
        pages, facts = DensePages.of_log(log, 5, 7, folder / "codes.npy", store_zeros=store_zeros)
    assert np.array_equal(np.load(pages.codes.path), expected)
    assert facts == CountFacts(len(counts), sum(map(bool, counts.values())), max(counts.values()))
    assert list(folder.glob("cells-*")) == []


def test_a_log_is_shared_out_to_no_more_files_than_a_process_may_open(tmp_path, monkeypatch):
    monkeypatch.setattr(log_matrix, "COUNTED_BYTES", 1)
    n_users = 3000
    pairs = [(user, user % 2, True) for user in range(n_users)]
    log = write_log(tmp_path, pairs, n_users, 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        pages, _ = DensePages.of_log(log, n_users, 2, tmp_path / "codes.npy", store_zeros=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert np.array_equal(np.load(pages.codes.path), np.array([[2, 0], [0, 2]] * (n_users // 2)))


@pytest.mark.parametrize("counted", [3, 6])
@pytest.mark.parametrize(("positives", "fits"), [(254, True), (255, False), (256, False), (511, False), (600, False)])
def test_a_count_that_runs_over_its_byte_is_seen(tmp_path, monkeypatch, positives, fits, counted):
    monkeypatch.setattr(log_matrix, "COUNTED_BYTES", counted)
    pairs = [(0, 0, True)] * positives + [(1, 1, False), (1, 2, True)]
    pages, facts = DensePages.of_log(write_log(tmp_path, pairs, 2, 3), 2, 3, tmp_path / "codes.npy", store_zeros=True)
    assert (pages is not None) == fits
    assert facts == (CountFacts(3, 2, 254) if fits else None)


@settings(max_examples=examples(60), deadline=None)
@given(
    ids=st.lists(st.integers(0, 60) | st.integers(2**31 - 9, 2**31 - 1), min_size=1, max_size=9, unique=True),
    wanted=st.lists(st.integers(0, 70) | st.integers(2**31 - 9, 2**31 - 1)),
    looked_up=st.sampled_from([0, 50, 10**6]),
)
def test_ids_get_their_numbers_and_unknown_ones_none(tmp_path_factory, ids, wanted, looked_up):
    table = tmp_path_factory.mktemp("ids") / "user_index.parquet"
    numbers = {one: number for number, one in enumerate(ids)}
    schema = {"user_id": pl.Int32, "user_index": pl.Int32}
    pl.DataFrame(list(numbers.items()), schema, orient="row").write_parquet(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_batches, "LARGEST_LOOKUP", looked_up)
        number_of = log_batches.numbering(table, "user_id", "user_index")
    assert number_of(np.array(wanted, np.int32)).tolist() == [numbers.get(one, -1) for one in wanted]


@pytest.mark.parametrize("stray", [(2, 1), (0, 3)])
def test_interactions_without_an_index_are_refused(tmp_path, stray):
    log = write_log(tmp_path, [(0, 0, True), (*stray, True), (1, 1, False)], 2, 3)
    with pytest.raises(InputError, match="1 rows of users or items without an index"):
        DensePages.of_log(log, 2, 3, tmp_path / "codes.npy", store_zeros=True)


def test_an_empty_log_gives_no_matrix(tmp_path):
    log = write_log(tmp_path, [], 2, 3)
    assert DensePages.of_log(log, 2, 3, tmp_path / "codes.npy", store_zeros=True) == (None, None)
