"""ALS factors of users and items, fitted on a matrix that stays on disk.

The model is implicit-feedback ALS (Hu, Koren, Volinsky 2008, doi 10.1109/ICDM.2008.22) with conjugate
gradients (Takács, Pilászy, Tikk 2011, doi 10.1145/2043932.2043987) as in implicit 0.7.3's
`AlternatingLeastSquares.fit`: the same first factors, the same order of half-sweeps. That `fit` holds the
matrix and its transpose in memory; here only the factors and a few pages are resident. Two
solvers do a half-sweep:

    implicit  implicit's own, on sparse rows: the same bits as implicit's `fit`
    dense     `dense_als`, on one byte a cell: the same factors up to rounding, sooner where most pairs are observed

Neither result depends on the number of threads.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from kraft.columns import ITEM_INDEX, USER_INDEX
from kraft.engine.process.progress import Progress
from kraft.errors import InputError, KraftError
from kraft.models.als import dense
from kraft.models.als.factors import Factors, FloatMatrix
from kraft.models.als.log_batches import CountFacts, Log, inspect_counts, read_batches
from kraft.models.als.log_matrix import MOST_POSITIVES, CsrPages, DensePages
from kraft.models.positives import LabelsError
from kraft.settings import AlsSettings

Solver = Literal["auto", "implicit", "dense"]
HalfSweep = Callable[[FloatMatrix, FloatMatrix], None]
"""Improves the first factors, in place, given the second."""

DENSE_FROM = 0.2
"""Share of stored pairs in all cells from which ``auto`` takes the dense solver. The two are even at 0.10 to 0.15
(64 factors, 1,411 x 2,993, 2 cores); at 0.2 dense takes 0.6 of the time, at 0.89 a sixth."""

CODES = "codes_by_user.npy"


def fit(
    by_user: Callable[[], Path],
    by_item: Callable[[], Path],
    n_users: int,
    n_items: int,
    settings: AlsSettings,
    *,
    scratch: Path,
    threads: int,
    progress: Progress,
    solver: Solver = "auto",
    log: Log | None = None,
) -> Factors:
    """Fit the factors of a train period: from its ``log`` if that makes a dense matrix, else from tables of counts.

    A pair with c positives has confidence c and preference 1. A pair met without a positive has confidence 0 if zeros
    are stored; else it counts like a pair never met: confidence 1 and preference 0.

    Args:
        by_user: makes a Parquet table of user_index, item_index, positive_count, one row a pair, sorted by the first
            two. Called only if the log is not used.
        by_item: makes the same table, sorted by item_index, user_index. Called only by the implicit solver.
        n_users, n_items: user_index is from 0 to n_users - 1, item_index from 0 to n_items - 1.
        settings: factors, regularization, iterations, seed, store_zeros.
        scratch: folder for the pages: 2 bytes a cell and 4 an interaction (dense), or 16 bytes a stored pair.
        threads: at least 1; they change the time only.
        progress: one unit a sweep.
        solver: auto takes dense from a density of `DENSE_FROM`, unless a count is above 254, else implicit.
        log: the interactions that are counted.

    Raises:
        InputError: no pairs to learn from; a table breaks its contract; a count is above 254 and the solver is dense.
        KraftError: the factors are not finite.
    """
    started, cells = time.monotonic(), n_users * n_items
    codes, facts, counts = None, None, None
    if log and (solver == "dense" or (solver == "auto" and log.n_rows() >= DENSE_FROM * cells)):
        codes, facts = DensePages.of_log(log, n_users, n_items, scratch / CODES, store_zeros=settings.store_zeros)
    if facts is None:
        counts = by_user()
        facts = inspect_counts(counts, n_users, n_items)
    stored = _stored_pairs(facts, settings)
    density = stored / cells
    chosen = _choose(solver, density, facts)
    user, item = _first_factors(n_users, n_items, settings)
    if chosen == "implicit":
        # Before threadpool_limits, which acts on loaded libraries only: scipy brings a BLAS of its own.
        import implicit.cpu.als  # noqa: F401, PLC0415 - 0.1 s that the dense solver need not pay
    # One BLAS thread: blocks run side by side already, and the sums do not depend on how BLAS shares them out.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        if chosen == "dense":
            codes = codes or _write_codes(counts or by_user(), (n_users, n_items), scratch, settings)
            turned = codes.transpose(scratch / "codes_by_item.npy")
            solve_users, solve_items = (_dense_half(pages, settings, pool) for pages in (codes, turned))
        else:
            pages = _write_csr(counts or by_user(), by_item, (n_users, n_items), stored, scratch, settings)
            solve_users, solve_items = (_implicit_half(side, settings, threads) for side in pages)
        written = time.monotonic()
        _sweep(user, item, solve_users, solve_items, settings, progress)
    return Factors(user, item, chosen, density, written - started, time.monotonic() - written)


def _first_factors(n_users: int, n_items: int, settings: AlsSettings) -> tuple[FloatMatrix, FloatMatrix]:
    """The draws of implicit's check_random_state(seed): users first."""
    random = np.random.default_rng(settings.seed)
    user = random.random((n_users, settings.factors), dtype=np.float32) * np.float32(0.01)
    return user, random.random((n_items, settings.factors), dtype=np.float32) * np.float32(0.01)


def _sweep(
    user: FloatMatrix,
    item: FloatMatrix,
    solve_users: HalfSweep,
    solve_items: HalfSweep,
    settings: AlsSettings,
    progress: Progress,
) -> None:
    with progress.task("als", settings.iterations, "sweeps") as task:
        for _ in range(settings.iterations):
            solve_users(user, item)
            solve_items(item, user)
            task.advance()
    if not (np.isfinite(user).all() and np.isfinite(item).all()):
        raise KraftError(
            f"ALS diverged: its factors are not finite at regularization {settings.regularization:g}",
            f"Raise it, for example --regularization {max(10 * settings.regularization, 0.01):g}.",
        )


def _stored_pairs(facts: CountFacts, settings: AlsSettings) -> int:
    stored = facts.pairs if settings.store_zeros else facts.positive_pairs
    if not stored:
        raise LabelsError(f"none of {facts.pairs:,} user-item pairs is positive", facts.pairs, 0)
    return stored


def _choose(solver: Solver, density: float, facts: CountFacts) -> Literal["implicit", "dense"]:
    fits = facts.most_positives <= MOST_POSITIVES
    if solver == "dense" and not fits:
        raise InputError(
            f"a user-item pair has {facts.most_positives:,} positives; the dense ALS solver takes {MOST_POSITIVES}",
            "Choose the solver auto or implicit.",
        )
    if solver == "auto":
        return "dense" if fits and density >= DENSE_FROM else "implicit"
    return solver


def _write_codes(counts: Path, shape: tuple[int, int], scratch: Path, settings: AlsSettings) -> DensePages:
    batches = read_batches(counts, USER_INDEX, ITEM_INDEX, shape[1], store_zeros=settings.store_zeros)
    return DensePages.write(batches, *shape, scratch / CODES)


def _write_csr(
    counts: Path,
    by_item: Callable[[], Path],
    shape: tuple[int, int],
    stored: int,
    scratch: Path,
    settings: AlsSettings,
) -> tuple[CsrPages, CsrPages]:
    n_users, n_items = shape
    batches = read_batches(counts, USER_INDEX, ITEM_INDEX, n_items, store_zeros=settings.store_zeros)
    users = CsrPages.write(batches, n_users, stored, scratch / "csr_by_user")
    turned = by_item()
    inspect_counts(turned, n_users, n_items)
    batches = read_batches(turned, ITEM_INDEX, USER_INDEX, n_users, store_zeros=settings.store_zeros)
    return users, CsrPages.write(batches, n_items, stored, scratch / "csr_by_item")


def _dense_half(pages: DensePages, settings: AlsSettings, pool: ThreadPoolExecutor) -> HalfSweep:
    def solve(x: FloatMatrix, y: FloatMatrix) -> None:
        dense.solve_rows(pages.read, x, y, settings.regularization, pool)

    return solve


def _implicit_half(pages: CsrPages, settings: AlsSettings, threads: int) -> HalfSweep:
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - as in fit
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    solver = AlternatingLeastSquares(settings.factors, settings.regularization, num_threads=threads).solver

    def solve(x: FloatMatrix, y: FloatMatrix) -> None:
        # A block at a time: rows are independent, and implicit copies the data that it is given.
        for first, last, indptr, indices, data in pages.blocks():
            matrix = csr_matrix((data, indices, indptr), shape=(last - first, len(y)), copy=False)
            solver(matrix, x[first:last], y, settings.regularization, num_threads=threads)

    return solve
