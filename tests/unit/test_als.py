import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from kraft.engine.process.memmap import PagedArray
from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError, KraftError
from kraft.models.als import dense as dense_als
from kraft.models.als import fit as als
from kraft.models.als.factors import Factors, IndexOutOfFactors, gather_factors
from kraft.models.als.log_batches import Log
from kraft.models.als.log_matrix import CsrPages, DensePages
from kraft.settings import AlsSettings

SETTINGS = AlsSettings(factors=8, regularization=0.01, iterations=6, seed=42, store_zeros=True)
N_USERS, N_ITEMS = 230, 410
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def log():
    """Interactions with repeated pairs, observed non-positives, and users and items without any or a positive."""
    random = np.random.default_rng(7)
    user, item = random.integers(1, N_USERS, 30_000), random.integers(0, N_ITEMS - 1, 30_000)
    taste = random.normal(size=(N_USERS, 3)) @ random.normal(size=(3, N_ITEMS))
    positive = (taste[user, item] + random.normal(size=30_000) > 0.5) & (user != 5) & (item != 9)
    return pl.DataFrame({"user_index": user, "item_index": item, "positive_count": positive}).cast(pl.Int32)


@pytest.fixture(scope="module")
def tables(log, tmp_path_factory):
    return write_tables(log, tmp_path_factory.mktemp("counts"))


def write_tables(log, folder):
    pair = ["user_index", "item_index"]
    counts = log.group_by(pair).agg(pl.col("positive_count").sum())
    counts.sort(pair).write_parquet(folder / "by_user.parquet", row_group_size=5000)
    counts.sort(pair[::-1]).write_parquet(folder / "by_item.parquet", row_group_size=5000)
    return folder / "by_user.parquet", folder / "by_item.parquet"


def matrix_of(log, *, store_zeros=True):
    matrix = sparse.coo_matrix(
        (log["positive_count"].to_numpy().astype(np.float32), (log["user_index"], log["item_index"])),
        (N_USERS, N_ITEMS),
    ).tocsr()
    if not store_zeros:
        matrix.eliminate_zeros()
    return matrix


def implicit_fit(matrix, settings, dtype=np.float32, start=None):
    with threadpool_limits(1, user_api="blas"):
        model = AlternatingLeastSquares(
            settings.factors,
            settings.regularization,
            iterations=settings.iterations,
            random_state=settings.seed,
            num_threads=1,
            dtype=dtype,
        )
        if start is not None:
            model.user_factors, model.item_factors = (factors.astype(dtype) for factors in start)
        model.fit(matrix, show_progress=False)
    return model.user_factors, model.item_factors


def fit(tables, scratch, settings=SETTINGS, *, n_users=N_USERS, threads=2, solver="auto"):
    scratch.mkdir(exist_ok=True, parents=True)
    return als.fit(
        lambda: tables[0],
        lambda: tables[1],
        n_users,
        N_ITEMS,
        settings,
        scratch=scratch,
        threads=threads,
        progress=Progress(QUIET),
        solver=solver,
    )


def write_rows(log, folder):
    """The log as the work folder has it, with ids of its own."""
    rows = log.select(
        user_id=pl.col("user_index") * 3,
        item_id=pl.col("item_index") * 2 + 1,
        positive_interaction=pl.col("positive_count") > 0,
    )
    rows.write_parquet(folder / "rows.parquet", row_group_size=5000)
    for name, n_rows, step, first in (("user", N_USERS, 3, 0), ("item", N_ITEMS, 2, 1)):
        index = pl.int_range(n_rows, dtype=pl.Int32, eager=True)
        frame = pl.DataFrame({f"{name}_id": step * index + first, f"{name}_index": index})
        frame.write_parquet(folder / f"{name}.parquet")
    return Log(*(folder / f"{name}.parquet" for name in ("rows", "user", "item")))


@pytest.mark.parametrize("store_zeros", [True, False])
def test_a_log_gives_the_factors_of_its_counts(log, tables, tmp_path, store_zeros):
    settings = SETTINGS.model_copy(update={"store_zeros": store_zeros})
    expected = fit(tables, tmp_path / "counts", settings, solver="dense")

    def unasked():
        pytest.fail("the counts are not needed")

    (tmp_path / "log").mkdir()
    known = {"scratch": tmp_path / "log", "threads": 2, "progress": Progress(QUIET), "log": write_rows(log, tmp_path)}
    direct = als.fit(unasked, unasked, N_USERS, N_ITEMS, settings, **known, solver="dense")
    assert (direct.solver, direct.density) == ("dense", expected.density)
    assert np.array_equal(direct.user, expected.user)
    assert np.array_equal(direct.item, expected.item)


@pytest.mark.parametrize(("solver", "dense_from"), [("implicit", 0.2), ("auto", 0.5)])
def test_counts_are_asked_for_where_the_log_does_not_do(log, tables, tmp_path, monkeypatch, solver, dense_from):
    monkeypatch.setattr(als, "DENSE_FROM", dense_from)
    expected = fit(tables, tmp_path / "counts", solver=solver)
    (tmp_path / "log").mkdir()
    asked = []
    fitted = als.fit(
        lambda: asked.append("user") or tables[0],
        lambda: tables[1],
        N_USERS,
        N_ITEMS,
        SETTINGS,
        scratch=tmp_path / "log",
        threads=2,
        progress=Progress(QUIET),
        solver=solver,
        log=write_rows(log, tmp_path),
    )
    assert asked == ["user"]
    assert fitted.solver == expected.solver
    assert np.array_equal(fitted.user, expected.user)


def first_factors(settings=SETTINGS):
    random = np.random.default_rng(settings.seed)
    sizes = (N_USERS, N_ITEMS)
    return [random.random((n, settings.factors), dtype=np.float32) * np.float32(0.01) for n in sizes]


def dense_fit(codes, start, dtype, settings=SETTINGS):
    user, item = (factors.astype(dtype) for factors in start)
    turned = np.ascontiguousarray(codes.T)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(2) as pool:
        for _ in range(settings.iterations):
            dense_als.solve_rows(lambda first, last: codes[first:last], user, item, settings.regularization, pool)
            dense_als.solve_rows(lambda first, last: turned[first:last], item, user, settings.regularization, pool)
    return user, item


def codes_of(matrix):
    codes = np.zeros(matrix.shape, np.uint8)
    entries = matrix.tocoo()
    codes[entries.row, entries.col] = entries.data + 1
    return codes


@pytest.mark.parametrize("store_zeros", [True, False])
@pytest.mark.parametrize(("threads", "block_bytes"), [(1, 2**24), (2, 2**24), (2, 60_000)])
def test_the_implicit_solver_gives_the_bits_of_implicits_fit(
    log, tables, tmp_path, monkeypatch, store_zeros, threads, block_bytes
):
    monkeypatch.setattr(CsrPages, "blocks", partialmethod(CsrPages.blocks, block_bytes=block_bytes))
    settings = SETTINGS.model_copy(update={"store_zeros": store_zeros})
    user, item = implicit_fit(matrix_of(log, store_zeros=store_zeros), settings)
    fitted = fit(tables, tmp_path, settings, threads=threads, solver="implicit")
    assert fitted.solver == "implicit"
    assert np.array_equal(fitted.user, user)
    assert np.array_equal(fitted.item, item)
    assert not fitted.user[0].any()
    assert fitted.user[5].any() == store_zeros


@pytest.mark.parametrize("store_zeros", [True, False])
def test_dense_blocks_take_implicits_steps(log, store_zeros):
    matrix = matrix_of(log, store_zeros=store_zeros)
    exact = implicit_fit(matrix, SETTINGS, np.float64, first_factors())
    blocks = dense_fit(codes_of(matrix), first_factors(), np.float64)
    for factors, expected in zip(blocks, exact, strict=True):
        assert np.allclose(factors, expected, rtol=0, atol=1e-5)


def test_dense_rounds_no_worse_than_implicit(log, tables, tmp_path):
    exact = implicit_fit(matrix_of(log), SETTINGS, np.float64, first_factors())
    single = implicit_fit(matrix_of(log), SETTINGS)
    fitted = fit(tables, tmp_path, solver="dense")

    def error(user, item):
        return np.sqrt(np.mean((user @ item.T - exact[0] @ exact[1].T) ** 2))

    assert error(fitted.user, fitted.item) <= error(*single)
    assert error(fitted.user, fitted.item) < 1e-4


def test_dense_does_not_depend_on_threads_or_pages(tables, tmp_path, monkeypatch):
    one = fit(tables, tmp_path / "one", threads=1, solver="dense")
    two = fit(tables, tmp_path / "two", threads=2, solver="dense")
    monkeypatch.setattr(PagedArray, "transpose", partialmethod(PagedArray.transpose, block_bytes=1000))
    cut = fit(tables, tmp_path / "cut", threads=2, solver="dense")
    for other in (two, cut):
        assert np.array_equal(one.user, other.user)
        assert np.array_equal(one.item, other.item)


def test_permuted_users_get_permuted_factors(log):
    codes = codes_of(matrix_of(log))
    user, item = first_factors()
    order = np.random.default_rng(3).permutation(N_USERS)
    straight = dense_fit(codes, (user, item), np.float64)
    permuted = dense_fit(codes[order], (user[order], item), np.float64)
    assert np.allclose(permuted[0], straight[0][order], rtol=0, atol=1e-6)
    assert np.allclose(permuted[1], straight[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kept", [0, 1, dense_als.KEPT_BLOCKS])
def test_dense_column_blocks_cover_a_wide_matrix(monkeypatch, kept):
    monkeypatch.setattr(dense_als, "KEPT_BLOCKS", kept)
    random = np.random.default_rng(5)
    columns = 2 * dense_als.BLOCK_COLUMNS + 77
    codes = random.choice(np.array([0, 1, 2, 4], np.uint8), (40, columns))
    matrix = sparse.csr_matrix((codes[codes > 0] - 1.0, np.nonzero(codes)), codes.shape)
    settings = SETTINGS.model_copy(update={"iterations": 2})
    start = [random.random((n, 8)) * 0.01 for n in codes.shape]
    exact = implicit_fit(matrix, settings, np.float64, start)
    for factors, expected in zip(dense_fit(codes, start, np.float64, settings), exact, strict=True):
        assert np.allclose(factors, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("solver", ["implicit", "dense"])
def test_blas_has_one_thread_while_factors_are_solved(tables, tmp_path, monkeypatch, solver):
    seen = []
    for pages, reading in ((CsrPages, "blocks"), (DensePages, "read")):
        read = getattr(pages, reading)

        def watched(*arguments, read=read):
            seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
            return read(*arguments)

        monkeypatch.setattr(pages, reading, watched)
    with threadpool_limits(2, user_api="blas"):
        fit(tables, tmp_path, solver=solver)
    assert set(seen) == {1}


def test_a_fresh_process_limits_implicits_own_blas_too(tables, tmp_path):
    # scipy's BLAS is loaded with implicit, after NumPy's; implicit warns where it may use several threads.
    code = f"""
from pathlib import Path
from kraft.engine.process.memmap import PagedArray
from kraft.engine.process.progress import Progress
from kraft.models.als.fit import fit
from kraft.settings import AlsSettings
by_user, by_item, scratch = map(Path, {[str(path) for path in (*tables, tmp_path)]})
settings = AlsSettings(**{SETTINGS.model_dump()})
fit(lambda: by_user, lambda: by_item, {N_USERS}, {N_ITEMS}, settings, scratch=scratch, threads=1,
    progress=Progress(-1), solver="implicit")
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_auto_takes_dense_from_the_threshold_and_never_above_one_byte(log, tables, tmp_path, monkeypatch):
    density = log.select("user_index", "item_index").n_unique() / (N_USERS * N_ITEMS)
    monkeypatch.setattr(als, "DENSE_FROM", density)
    fitted = fit(tables, tmp_path / "dense")
    assert (fitted.solver, fitted.density) == ("dense", density)
    monkeypatch.setattr(als, "DENSE_FROM", density * 1.001)
    assert fit(tables, tmp_path / "sparse").solver == "implicit"

    (tmp_path / "often").mkdir()
    monkeypatch.setattr(als, "DENSE_FROM", 0.0)
    for positives, solver in ((254, "dense"), (255, "implicit")):
        often = log.with_columns(positive_count=pl.lit(0, pl.Int32)).unique()
        often[0, "positive_count"] = positives
        many = write_tables(often, tmp_path / "often")
        assert fit(many, tmp_path / solver / "pages").solver == solver
    with pytest.raises(InputError, match="has 255 positives; the dense ALS solver takes 254"):
        fit(many, tmp_path / "pages", solver="dense")


def test_nothing_to_learn_from_is_refused(log, tmp_path):
    cold = write_tables(log.with_columns(positive_count=pl.lit(0, pl.Int32)), tmp_path)
    with pytest.raises(InputError, match="user-item pairs is positive"):
        fit(cold, tmp_path / "pages", SETTINGS.model_copy(update={"store_zeros": False}))
    empty = write_tables(log.clear(), tmp_path)
    with pytest.raises(InputError, match="no user-item pairs"):
        fit(empty, tmp_path / "pages")


@pytest.mark.parametrize("solver", ["implicit", "dense"])
def test_factors_that_diverge_are_refused(tables, tmp_path, solver):
    # Far outside what settings allow: a negative ridge makes the normal equations indefinite.
    wild = SETTINGS.model_copy(update={"regularization": -1e38, "iterations": 9})
    with pytest.raises(KraftError, match="not finite at regularization") as raised:
        fit(tables, tmp_path, wild, solver=solver)
    assert "--regularization" in raised.value.remedy


@pytest.mark.parametrize("mmap", [True, False])
def test_saved_factors_come_back(tables, tmp_path, mmap):
    fitted = fit(tables, tmp_path / "pages")
    ids = np.arange(N_USERS) * 3, np.arange(N_ITEMS) * 2
    fitted.save(tmp_path / "als", *ids, SETTINGS)
    loaded = Factors.load(tmp_path / "als", mmap=mmap)
    assert np.array_equal(loaded.user, fitted.user)
    assert np.array_equal(loaded.item, fitted.item)
    assert isinstance(loaded.user, np.memmap) == mmap
    assert (loaded.solver, loaded.density) == (fitted.solver, fitted.density)
    for side, expected in zip(("user", "item"), ids, strict=True):
        saved = np.load(tmp_path / "als" / f"{side}_ids.npy", allow_pickle=False)
        assert saved.dtype == np.int32
        assert np.array_equal(saved, expected)
    assert json.loads((tmp_path / "als" / "als.json").read_text())["settings"] == SETTINGS.model_dump()
    with pytest.raises(ValueError, match="229 and 410 ids for 230 users"):
        fitted.save(tmp_path / "wrong", ids[0][1:], ids[1], SETTINGS)


def test_a_damaged_model_is_refused(tables, tmp_path):
    folder = tmp_path / "als"
    fit(tables, tmp_path / "pages").save(
        folder, np.arange(N_USERS, dtype=np.int32), np.arange(N_ITEMS, dtype=np.int32), SETTINGS
    )
    for wrong in (np.zeros((N_ITEMS, 3), np.float32), np.zeros((N_ITEMS, 8))):
        np.save(folder / "item_factors.npy", wrong)
        with pytest.raises(InputError, match=r"item_factors.npy is not a float32 matrix of 8 columns"):
            Factors.load(folder)
    (folder / "item_factors.npy").write_bytes(b"")
    with pytest.raises(InputError, match="not a whole ALS model"):
        Factors.load(folder)
    np.save(folder / "item_factors.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="not a whole ALS model"):
        Factors.load(folder)
    (folder / "als.json").unlink()
    with pytest.raises(InputError, match="not a whole ALS model"):
        Factors.load(folder)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_gather_gives_rows_and_zeros_for_the_unknown(kind):
    factors = np.arange(6, dtype=np.float32).reshape(3, 2)
    factors.flags.writeable = False
    gathered = gather_factors(factors, np.array([2, -1, 0, 2], kind))
    assert gathered.dtype == np.float32
    assert gathered.tolist() == [[4, 5], [0, 0], [0, 1], [4, 5]]
    assert gather_factors(factors, np.array([1, 0], kind)).tolist() == [[2, 3], [0, 1]]
    assert gather_factors(factors, np.array([], kind)).shape == (0, 2)


@pytest.mark.parametrize("wrong", [3, -2])
def test_gather_refuses_rows_that_do_not_exist(wrong):
    with pytest.raises(IndexOutOfFactors, match=f"row 1 asks for factors {wrong}, but there are 3"):
        gather_factors(np.zeros((3, 2), np.float32), np.array([0, wrong, 9], np.int32))
