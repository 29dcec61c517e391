"""One half of an ALS sweep over a dense matrix of codes: implicit's steps, for a block of rows at once.

implicit solves row after row, with two short vector operations for each entry of the row. Where most pairs
were observed, a block of rows can share every read of the other side's factors, and the work becomes
matrix products: five times faster where nine cells in ten are observed. The price is that a cell which was
never observed costs as much as any other (`als.DENSE_FROM` says where that stops paying).

The algorithm is implicit's `least_squares_cg`: three steps of conjugate gradients from the last factors
(Takács, Pilászy, Tikk 2011, doi 10.1145/2043932.2043987) on the weighted least squares of Hu, Koren,
Volinsky 2008, doi 10.1109/ICDM.2008.22. Only the order of the sums differs, so factors differ by rounding.

A cell of code k (`interactions.DensePages`) has the weight |k - 1| and the weighted preference max(k - 1, 0):
1 and 0 where the pair was never observed (k = 0), 0 and 0 for a stored zero (k = 1), c and c for c positives
(k = 1 + c). These are the numbers that implicit derives from the stored value c.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 192
"""Rows solved together. A constant, because the last bits of the factors depend on it."""
TILE_COLUMNS = 512
"""Columns of a block that are multiplied at once: products and weights, 192 x 512 float32 each, stay in a core's cache
of 1 MiB, which saves an eighth of the time that 1,024 take. A constant as well."""
KEPT_TILES = 16
"""Tiles of a block whose weights are kept for all CG steps, which saves a tenth of the time for 6 MiB a thread. Those
of further columns are made anew for each step."""
CG_STEPS = 3
CG_TOLERANCE = 1e-20
"""A row with a smaller squared residual is solved. Both numbers are implicit's."""

Real = TypeVar("Real", np.float32, np.float64)


ReadCodes = Callable[[int, int], NDArray[np.uint8]]
"""Rows ``first`` to ``last`` - 1 of a matrix of codes, from any thread."""


def solve_rows(read: ReadCodes, x: NDArray[Real], y: NDArray[Real], regularization: float, pool: Executor) -> None:
    """Improve ``x`` in place, given the other side's factors ``y``: three CG steps for every row.

    The result does not depend on the number of the pool's threads as long as BLAS uses one thread
    (`threadpoolctl`).

    Args:
        read: codes of the matrix, uint8, shape (n_rows, n_columns): how often a pair was positive, plus 1; 0 if never
            observed. Asked for `BLOCK_ROWS` rows at a time, which a thread lets go of before it asks for the next.
        x: float32 or float64, shape (n_rows, n_factors); the last factors. A row that was never observed
            anywhere becomes zero, as in implicit.
        y: the same type, shape (n_columns, n_factors); not changed.
        regularization: weight of the squared factors, at least 0.
        pool: runs the blocks.
    """
    # Both layouts once a half-sweep: a product with a transposed view makes BLAS repack it for every block.
    tiles = [
        (slice(lo, lo + TILE_COLUMNS), tile, np.ascontiguousarray(tile.T))
        for lo in range(0, len(y), TILE_COLUMNS)
        for tile in [np.ascontiguousarray(y[lo : lo + TILE_COLUMNS])]
    ]

    def solve(lo: int) -> None:
        # Set here: NumPy keeps error states per thread. Divergence is reported once, by als.fit.
        with np.errstate(all="ignore"):
            _solve_block(read(lo, lo + BLOCK_ROWS), x[lo : lo + BLOCK_ROWS], tiles, regularization)

    for _ in pool.map(solve, range(0, len(x), BLOCK_ROWS)):
        pass


def _solve_block(
    codes: NDArray[np.uint8],
    x: NDArray[Real],
    tiles: list[tuple[slice, NDArray[Real], NDArray[Real]]],
    regularization: float,
) -> None:
    rows, kind = len(x), x.dtype.type
    ridge = kind(regularization)
    observed = codes.any(axis=1)
    x[~observed] = 0
    products = np.empty(rows * TILE_COLUMNS, kind)
    weights = [_weights(codes[:, columns], kind) for columns, _, _ in tiles[:KEPT_TILES]]

    def sum_tiles(start: NDArray[Real], vectors: NDArray[Real], *, misfit: bool = False) -> NDArray[Real]:
        """``start`` plus, over all columns, weight x (``vectors`` times factors) times their factors; or with
        ``misfit``, what that product lacks of the weighted preference.
        """
        for number, (columns, tile, transposed) in enumerate(tiles):
            product = products[: rows * len(tile)].reshape(rows, len(tile))
            np.matmul(vectors, transposed, out=product)
            product *= weights[number] if number < KEPT_TILES else _weights(codes[:, columns], kind)
            if misfit:
                # Weighted preferences, while they are bytes.
                np.subtract(np.maximum(codes[:, columns], 1) - 1, product, out=product)
            start += product @ tile
        return start

    residual = sum_tiles(-ridge * x, x, misfit=True)
    direction = residual.copy()
    norm = _row_dots(residual, residual)
    live = observed & (norm >= CG_TOLERANCE)
    for _ in range(CG_STEPS):
        image = sum_tiles(ridge * direction, direction)
        step = _ratio(norm, _row_dots(direction, image), live)
        x += step * direction
        residual -= step * image
        last, norm = norm, _row_dots(residual, residual)
        live &= norm >= CG_TOLERANCE
        direction *= _ratio(norm, last, live)
        direction += residual


def _weights(codes: NDArray[np.uint8], kind: type[Real]) -> NDArray[Real]:
    """|k - 1| of each code k."""
    shifted: NDArray[Real] = np.subtract(codes, kind(1), dtype=kind)
    return np.abs(shifted, out=shifted)


def _row_dots(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Real]:
    dots: NDArray[Real] = np.einsum("ij,ij->i", a, b)
    return dots


def _ratio(a: NDArray[Real], b: NDArray[Real], live: NDArray[np.bool_]) -> NDArray[Real]:
    """A / b as a column; 0 for rows that are solved, so that they stay as they are."""
    return np.divide(a, b, out=np.zeros_like(a), where=live)[:, None]
