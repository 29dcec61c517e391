"""How long the videos are: KuaiRec's own distribution of lengths, and somewhat by category."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]

LENGTH_QUANTILES = {
    0.0: 3_067, 0.02: 4_900, 0.1: 6_250, 0.25: 7_523, 0.5: 9_600, 0.75: 11_934, 0.9: 15_400, 0.93: 20_500,
    0.96: 46_500, 0.98: 92_000, 0.993: 160_000, 1.0: 315_072,
}  # fmt: skip
"""Share of the videos of small_matrix that are no longer than so many ms. Least, quartiles and most are KuaiRec's; the
points between them make its mean, 14,486 ms."""
CATEGORY_SD = 0.4
"""How far a category moves its videos among all, in standard deviations of the videos' own."""


def draw_lengths(membership: npt.NDArray[np.float32], small_items: Ints, generator: np.random.Generator) -> Ints:
    """Lengths of the videos [ms]; shape (n_items,).

    Args:
        membership: weights of each video's categories, shape (n_items, n_categories).
        small_items: positions of the videos of small_matrix: their lengths follow `LENGTH_QUANTILES` as
            closely as their number allows, and so do those of the rest.
        generator: the only source of chance.
    """
    n_items, n_categories = membership.shape
    by_category = np.einsum("ij,j->i", membership, generator.normal(0, CATEGORY_SD, n_categories))
    order = by_category + generator.standard_normal(n_items)
    lengths = np.zeros(n_items, dtype=np.int32)
    rest = np.setdiff1d(np.arange(n_items), small_items)
    for items in (small_items, rest):
        quantiles = np.linspace(0, 1, len(items)) if len(items) > 1 else np.full(len(items), 0.5)
        shares, knots = np.array(list(LENGTH_QUANTILES)), np.log(list(LENGTH_QUANTILES.values()))
        lengths[items[np.argsort(order[items], kind="stable")]] = np.rint(np.exp(np.interp(quantiles, shares, knots)))
    return lengths
