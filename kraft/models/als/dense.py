"""One half of an ALS sweep over a dense matrix of codes: implicit's steps, for a block of rows at once.

implicit solves row after row, with two short vector operations for each entry of the row. Where most pairs
were observed, a block of rows can share every read of the other side's factors, and the work becomes
matrix products: five times faster where nine cells in ten are observed. The price is that a cell which was
never observed costs as much as any other (`als.DENSE_FROM` says where that stops paying).

The algorithm is implicit's `least_squares_cg`: three steps of conjugate gradients from the last factors
(Takács, Pilászy, Tikk 2011, doi 10.1145/2043932.2043987) on the weighted least squares of Hu, Koren,
Volinsky 2008, doi 10.1109/ICDM.2008.22. Only the order of the sums differs, so factors differ by rounding.

A cell of code k (`interactions.DensePages`) has the weight |k - 1|, and the preference 1 where k > 0: weight 1 and
preference 0 where the pair was never observed (k = 0), no weight for a stored zero (k = 1), weight c and preference 1
for c positives (k = 1 + c). These are the numbers that implicit derives from the stored value c.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 192
"""Rows solved together. A constant, because the last bits of the factors depend on it."""
BLOCK_COLUMNS = 512
"""Columns of a block that are multiplied at once: products and weights, 192 x 512 float32 each, stay in a core's cache
of 1 MiB, which saves an eighth of the time that 1,024 take. A constant as well."""
KEPT_BLOCKS = 8
"""Column blocks whose weights are kept for all CG steps, which saves a tenth of the time where these are all, for
3 MiB a thread. Further ones are made anew for each step: of 22,576 columns, keeping 8 takes as long as keeping 16."""
CG_STEPS = 3
CG_TOLERANCE = 1e-20
"""A row with a smaller squared residual is solved. Both numbers are implicit's."""

Real = TypeVar("Real", np.float32, np.float64)
ColumnBlock = tuple[slice, NDArray[Real], NDArray[Real]]
"""Columns of the matrix, the factors of what they stand for, and these transposed."""
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
    column_blocks = [
        (slice(lo, lo + BLOCK_COLUMNS), block, np.ascontiguousarray(block.T))
        for lo in range(0, len(y), BLOCK_COLUMNS)
        for block in [np.ascontiguousarray(y[lo : lo + BLOCK_COLUMNS])]
    ]

    def solve(lo: int) -> None:
        # Set here: NumPy keeps error states per thread. Divergence is reported once, by als.fit.
        with np.errstate(all="ignore"):
            _solve_block(read(lo, lo + BLOCK_ROWS), x[lo : lo + BLOCK_ROWS], column_blocks, regularization)

    for _ in pool.map(solve, range(0, len(x), BLOCK_ROWS)):
        pass


class _Block(Generic[Real]):
    """Some rows of the matrix, for products with the other side's factors: a block of columns at a time."""

    def __init__(self, codes: NDArray[np.uint8], column_blocks: list[ColumnBlock[Real]], kind: type[Real]) -> None:
        self._codes = codes
        self._column_blocks: list[ColumnBlock[Real]] = column_blocks
        self._kind: type[Real] = kind
        self._product: NDArray[Real] = np.empty(len(codes) * BLOCK_COLUMNS, kind)
        self._kept: list[NDArray[Real]] = [
            _weights(codes[:, columns], kind) for columns, _, _ in column_blocks[:KEPT_BLOCKS]
        ]

    def misfit(self, x: NDArray[Real]) -> NDArray[Real]:
        """Over all columns, the sum of weight x (preference - ``x`` times factors) times their factors."""
        total = np.zeros_like(x)
        for columns, factors, weights, product in self._products(x):
            np.subtract(self._codes[:, columns] != 0, product, out=product)
            np.multiply(product, weights, out=product)
            total += product @ factors
        return total

    def image(self, vectors: NDArray[Real]) -> NDArray[Real]:
        """Over all columns, the sum of weight x (``vectors`` times factors) times their factors."""
        total = np.zeros_like(vectors)
        for _, factors, weights, product in self._products(vectors):
            np.multiply(product, weights, out=product)
            total += product @ factors
        return total

    def squares(self, vectors: NDArray[Real]) -> NDArray[Real]:
        """The dot products of ``vectors`` and their images, at half the price of these."""
        total = np.zeros(len(vectors), self._kind)
        for _, _, weights, product in self._products(vectors):
            np.square(product, out=product)
            total += _row_dots(product, weights)
        return total

    def _products(self, vectors: NDArray[Real]) -> Iterator[tuple[slice, NDArray[Real], NDArray[Real], NDArray[Real]]]:
        """Of each block its columns, factors and weights, and ``vectors`` times the factors, which may be changed."""
        for number, (columns, factors, transposed) in enumerate(self._column_blocks):
            product = self._product[: len(vectors) * len(factors)].reshape(len(vectors), len(factors))
            np.matmul(vectors, transposed, out=product)
            kept = number < KEPT_BLOCKS
            weights = self._kept[number] if kept else _weights(self._codes[:, columns], self._kind)
            yield columns, factors, weights, product


def _solve_block(
    codes: NDArray[np.uint8], x: NDArray[Real], column_blocks: list[ColumnBlock[Real]], regularization: float
) -> None:
    kind = x.dtype.type
    ridge = kind(regularization)
    observed = codes.any(axis=1)
    x[~observed] = 0
    block = _Block(codes, column_blocks, kind)
    residual = block.misfit(x) - ridge * x
    direction = residual.copy()
    norm = _row_dots(residual, residual)
    live = observed & (norm >= CG_TOLERANCE)
    for _ in range(CG_STEPS - 1):
        image = block.image(direction) + ridge * direction
        step = _ratio(norm, _row_dots(direction, image), live)
        x += step * direction
        residual -= step * image
        last, norm = norm, _row_dots(residual, residual)
        live &= norm >= CG_TOLERANCE
        direction *= _ratio(norm, last, live)
        direction += residual
    # Nothing follows on the last step: of its image only the length is needed.
    curvature = block.squares(direction) + ridge * _row_dots(direction, direction)
    x += _ratio(norm, curvature, live) * direction


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
