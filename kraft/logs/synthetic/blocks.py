"""Blocks: what synthetic data is made of, each with a source of chance of its own."""

from collections.abc import Iterator

import numpy as np


def blocks(count: int, size: int, root: np.random.SeedSequence) -> Iterator[tuple[int, np.random.Generator]]:
    """Number and generator of each block of ``size`` of ``count`` things; block k's depends on the root and k alone."""
    # A key of its own instead of `root.spawn`, which counts its calls: asked again, blocks give the same.
    for number in range(-(-count // size)):
        seed = np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, number))
        yield number, np.random.default_rng(seed)
