"""Scores of pairs by trees whose every feature is of the user alone or of the video alone, as in the preset seed.

LightGBM walks down every tree for every pair. But which way a node sends a pair is known of its user or of its video,
and a few thousand of these make up a million pairs. So trees are read as bits, one a leaf, from left to right
(Lucchese et al. 2015, "QuickScorer", doi 10.1145/2766462.2767733): a node that sends a row to the right rules out the
leaves on its left, and the leaf that a row falls into is the first one that no node rules out. What the nodes of the
user's features leave over and what those of the video's leave over are computed once each; for a pair the two are
laid over each other, and the first bit is looked up.

The leaves are the same, and their values are added up in the order of the trees as LightGBM does it: the scores are
equal to the last bit (1,000 trees, 935,294 pairs: a tenth of the time).
"""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from kraft.models.trees import lightgbm

FloatMatrix = NDArray[np.float32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Places = NDArray[np.int64]
Masks = NDArray[np.uint32]

MOST_LEAVES: Final = 32
"""Of a tree: bits of a mask."""
VECTORS_AT_ONCE: Final = 64
"""Users or videos whose nodes are decided together."""
PAIRS_AT_ONCE: Final = 4096
TREES_AT_ONCE: Final = 16
"""Together with the pairs, what stays in a core's cache: 256 KiB of masks."""
ROOM: Final = 32 * 1024 * 1024
"""Bytes of masks made at a time, and of those that are kept because a video may come again."""
_ZERO: Final = 1e-35
"""What LightGBM takes for zero."""
_CATEGORICAL, _DEFAULT_LEFT, _ZERO_MISSING, _NAN_MISSING = 1, 2, 4, 8
"""Bits of a node's decision_type in LightGBM's text."""


class Side(NamedTuple):
    """The different users, or videos, of some rows."""

    vectors: FloatMatrix
    """Shape (n, n_features): each one's features; those of the other side are 0."""
    place: Places
    """Shape (n_rows,): which of them each row is about."""

    def part(self, rows: slice) -> "Side":
        """Some of the rows, with the vectors that they need."""
        used, place = np.unique(self.place[rows], return_inverse=True)
        return Side(self.vectors[used], place)


class TwoSided:
    """A model of trees with one output and at most `MOST_LEAVES` leaves.

    Args:
        trees: as `read_trees` gives them.
        of_user: bool, shape (n_features,): which features are the user's; the others are the video's.
        sigmoid: the score is 1 / (1 + exp(-sigmoid x sum of the leaves)); None for the sum itself.
    """

    def __init__(self, trees: Sequence["Tree"], of_user: Bools, sigmoid: float | None) -> None:
        self._nodes = [_nodes_of(trees, mine) for mine in (of_user, ~of_user)]
        self._values = np.zeros((len(trees), MOST_LEAVES))
        for values, tree in zip(self._values, trees, strict=True):
            values[: len(tree.values)] = tree.values
        self._sigmoid = sigmoid
        self._kept: list[dict[bytes, Masks]] = [{}, {}]

    @classmethod
    def of(cls, booster: lightgbm.Booster, of_user: Bools | None) -> Self | None:
        """The model; None where it is not of this kind, or its features are of pairs (``of_user`` is None)."""
        if of_user is None:
            return None
        header, *blocks = booster.model_to_string().split("\nTree=")
        objective = _fields(header).get("objective", "").split()
        averaged = "average_output" in header.split()
        linear = any("is_linear=1" in block for block in blocks)
        if not blocks or averaged or linear or objective[:1] not in (["binary"], ["lambdarank"]):
            return None
        trees = read_trees(blocks)
        if max(len(tree.values) for tree in trees) > MOST_LEAVES:
            return None
        sigmoid = float(objective[1].removeprefix("sigmoid:")) if objective[0] == "binary" else None
        return cls(trees, of_user, sigmoid)

    def predict(self, users: Side, videos: Side, pool: Executor) -> Floats:
        """What `lightgbm.Booster.predict` gives for each row, to the last bit.

        Args:
            users: of the rows.
            videos: of the same rows.
            pool: works on some rows at a time; the scores do not depend on its threads.
        """
        rows, vectors = len(users.place), len(users.vectors) + len(videos.vectors)
        if vectors * self._bytes > ROOM and rows > PAIRS_AT_ONCE:
            halves = slice(None, rows // 2), slice(rows // 2, None)
            return np.concatenate([self.predict(users.part(half), videos.part(half), pool) for half in halves])
        # A user meets the same vector more than once: videos without a history are alike but for their categories.
        pairs, row = np.unique(users.place * len(videos.vectors) + videos.place, return_inverse=True)
        user, video = np.divmod(pairs, max(len(videos.vectors), 1))
        masks = [self._masks(side, each.vectors, pool) for side, each in enumerate((users, videos))]
        parts = [slice(first, first + PAIRS_AT_ONCE) for first in range(0, len(pairs), PAIRS_AT_ONCE)]
        sums = list(pool.map(lambda part: self._sums(masks[0], user[part], masks[1], video[part]), parts))
        scores = np.concatenate([np.empty(0), *sums])
        if self._sigmoid is not None:
            scores = np.array([probability(self._sigmoid * score) for score in scores])
        return scores[row]

    @property
    def _bytes(self) -> int:
        """Of the masks of one vector."""
        return 4 * len(self._values)

    def _sums(self, users: Masks, user: Places, videos: Masks, video: Places) -> Floats:
        """Sums of the leaves of some pairs, tree after tree."""
        total = np.zeros(len(user))
        for first in range(0, len(self._values), TREES_AT_ONCE):
            trees = slice(first, first + TREES_AT_ONCE)
            left = users[trees].take(user, axis=1)
            left &= videos[trees].take(video, axis=1)
            # The place of the lowest bit is the number of bits below it.
            leaves = np.bitwise_count((left & -left) - np.uint32(1))
            for values, leaf in zip(self._values[trees], leaves, strict=True):
                total += values.take(leaf)
        return total

    def _masks(self, side: int, vectors: FloatMatrix, pool: Executor) -> Masks:
        """What the nodes of a side leave over of each tree, shape (n_trees, len(vectors))."""
        kept, keys = self._kept[side], [vector.tobytes() for vector in vectors]
        new = [place for place, key in enumerate(keys) if key not in kept]
        parts = [new[first : first + VECTORS_AT_ONCE] for first in range(0, len(new), VECTORS_AT_ONCE)]
        masks = np.empty((len(vectors), len(self._values)), np.uint32)
        for place in set(range(len(keys))).difference(new):
            masks[place] = kept[keys[place]]
        for part, made in zip(parts, pool.map(lambda part: self._nodes[side].masks(vectors[part]), parts), strict=True):
            masks[part] = made
        if (len(kept) + len(new)) * self._bytes > ROOM:
            kept.clear()
        if len(new) * self._bytes <= ROOM:
            kept.update((keys[place], masks[place].copy()) for place in new)
        return np.ascontiguousarray(masks.T)


def probability(score: float) -> float:
    """1 / (1 + exp(-score)) with the C library's exponential, which LightGBM calls too: NumPy's own may differ in the
    last bit.
    """
    # Beyond this, exp is infinite in C and an error in Python.
    return 1.0 / (1.0 + math.exp(-score)) if score > -709.0 else 0.0  # noqa: PLR2004


class Tree(NamedTuple):
    """One tree, its leaves numbered from left to right."""

    nodes: list["_Node"]
    values: list[float]


class _Node(NamedTuple):
    feature: int
    threshold: float
    """Of a number: at most this goes left."""
    categories: frozenset[int] | None
    """Those that go left; None for a number."""
    decision: int
    kept: int
    """Bits of the leaves that a row sent to the right may still fall into."""


def read_trees(blocks: Sequence[str]) -> list[Tree]:
    """Trees of LightGBM's text, each a block that follows "Tree="."""
    return [_read(_fields(block)) for block in blocks]


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _read(fields: dict[str, str]) -> Tree:
    values = [float(word) for word in fields["leaf_value"].split()]
    if len(values) == 1:
        return Tree([], values)
    left, right, feature, decision = (
        [int(word) for word in fields[name].split()]
        for name in ("left_child", "right_child", "split_feature", "decision_type")
    )
    threshold = [float(word) for word in fields["threshold"].split()]
    bounds, words = (
        [int(word) for word in fields.get(name, "").split()] for name in ("cat_boundaries", "cat_threshold")
    )
    order: list[int] = []
    # Leaves below each node, as a range of their places from left to right.
    spans: dict[int, tuple[int, int]] = {}

    def number(child: int) -> None:
        start = len(order)
        if child < 0:
            order.append(~child)
        else:
            number(left[child])
            number(right[child])
        spans[child] = start, len(order)

    number(0)
    nodes = []
    for node, kind in enumerate(decision):
        first, last = spans[left[node]]
        kept = (1 << MOST_LEAVES) - 1 & ~((1 << last) - (1 << first))
        categories = None
        if kind & _CATEGORICAL:
            bits = words[bounds[int(threshold[node])] : bounds[int(threshold[node]) + 1]]
            categories = frozenset(
                32 * place + bit for place, word in enumerate(bits) for bit in range(32) if word >> bit & 1
            )
        nodes.append(_Node(feature[node], threshold[node], categories, kind, kept))
    return Tree(nodes, [values[leaf] for leaf in order])


class _Nodes(NamedTuple):
    """The nodes of one side sorted by their tree, before them for each tree one that rules out nothing."""

    feature: Places
    threshold: Floats
    decision: NDArray[np.uint8]
    kept: Masks
    first: Places
    """Place of each tree's first node."""
    categorical: list["_Categories"]

    def masks(self, vectors: FloatMatrix) -> Masks:
        """The leaves that the nodes leave over, shape (len(vectors), n_trees)."""
        values = vectors[:, self.feature].astype(np.float64)
        absent = np.isnan(values)
        nan_missing = (self.decision & _NAN_MISSING) > 0
        values[absent & ~nan_missing] = 0.0
        missing = (absent & nan_missing) | ((self.decision & _ZERO_MISSING) > 0) & (np.abs(values) <= _ZERO)
        goes_left = np.where(missing, (self.decision & _DEFAULT_LEFT) > 0, values <= self.threshold)
        for feature, nodes, known, left in self.categorical:
            column = vectors[:, feature]
            # As a whole number; what is missing or negative goes right, like what no node names.
            codes = np.where(column > -1, column, -1).astype(np.int64)
            row = np.minimum(np.searchsorted(known, codes), len(known) - 1)
            goes_left[:, nodes] = left[row] & (known[row] == codes)[:, None]
        kept = np.where(goes_left, np.uint32(2**MOST_LEAVES - 1), self.kept)
        made: Masks = np.bitwise_and.reduceat(kept, self.first, axis=1)
        return made


class _Categories(NamedTuple):
    """The nodes that ask for the category of one feature."""

    feature: int
    nodes: Places
    """Shape (n_nodes,)."""
    known: Places
    """Categories that a node sends to the left, ascending, shape (n_categories,)."""
    left: Bools
    """Which node sends which to the left, shape (n_categories, n_nodes)."""


def _categories_of(nodes: Sequence[_Node]) -> list[_Categories]:
    places: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        if node.categories is not None:
            places.setdefault(node.feature, []).append(place)
    found = []
    for feature, asking in places.items():
        named = [np.array(sorted(nodes[place].categories or ())) for place in asking]
        known = np.unique(np.concatenate(named))
        left = np.zeros((len(known), len(asking)), dtype=bool)
        for number, categories in enumerate(named):
            left[np.searchsorted(known, categories), number] = True
        found.append(_Categories(feature, np.array(asking), known, left))
    return found


def _nodes_of(trees: Sequence[Tree], mine: Bools) -> _Nodes:
    nothing = _Node(0, math.inf, None, 0, 2**MOST_LEAVES - 1)
    nodes: list[_Node] = []
    first = []
    for tree in trees:
        first.append(len(nodes))
        nodes += [nothing, *(node for node in tree.nodes if mine[node.feature])]
    return _Nodes(
        np.array([node.feature for node in nodes]),
        np.array([node.threshold for node in nodes]),
        np.array([node.decision for node in nodes], np.uint8),
        np.array([node.kept for node in nodes], np.uint32),
        np.array(first),
        _categories_of(nodes),
    )
