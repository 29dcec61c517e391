"""Whether KRAFT and the pandas pipeline computed the same tables, features and factors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from kraft import columns
from kraft.benchmark.report import Cell, Table
from kraft.engine import frames
from kraft.engine.store import Store

FACTOR_TOLERANCE = 0.1
"""How far apart the preferences may be that two models predict (`factor_distance`), to count as the same.

KRAFT's sparse solver gives implicit's own bits. Its dense one adds up in another order, and at a
regularization of 0.01 each sweep magnifies the rounding of the last: 0.004 after 20 sweeps on the full-size
twin, 0.06 on labels drawn at random, where there is nothing to fit. Other first factors give 0.85."""
SAMPLED_USERS = 200
KEYS = (columns.USER_ID, columns.ITEM_ID)
LABELLED = (*KEYS, columns.POSITIVE_INTERACTION)
TABLES = {
    "interactions_train": (*LABELLED, "timestamp", "watch_ratio"),
    "interactions_test": (*LABELLED, "interaction_count"),
    "test_positives": KEYS,
    "sample_submission": (*KEYS, columns.SCORE),
    "video_metadata": (columns.ITEM_ID, "feat", "num_categories"),
}
"""The tables that both sides write, and the columns that have to be equal."""


@dataclass
class Agreement:
    """Line by line: what was compared, KRAFT's figure, the peer's, and whether they agree."""

    lines: list[tuple[str, Cell, Cell, bool]] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return all(line[-1] for line in self.lines)

    def table(self, peer: str) -> Table:
        """The lines for people; ``peer`` is what the other side is called."""
        rows = [(what, ours, theirs, "same" if same else "DIFFERENT") for what, ours, theirs, same in self.lines]
        return Table(f"kraft and {peer} computed the same", ("", "kraft", peer, "verdict"), rows)

    def as_json(self) -> list[dict[str, Any]]:
        names = ("what", "kraft", "peer", "same")
        return [dict(zip(names, line, strict=True)) for line in self.lines]


def compare(store: Store, out: Path, answer: dict[str, Any]) -> Agreement:
    """Hold the tables and factors of a KRAFT work folder against those that the peer wrote to ``out``.

    Args:
        store: with a build and factors.
        out: the peer's folder.
        answer: what the peer printed: shapes of its features.
    """
    found = Agreement()
    for name, compared in TABLES.items():
        ours, theirs = (_sorted(path, compared) for path in (store.table(name), out / f"{name}.parquet"))
        found.lines.append((f"{name}, rows", len(ours), len(theirs), len(ours) == len(theirs)))
        differing = _differing(ours, theirs) if len(ours) == len(theirs) else len(ours)
        found.lines.append((f"{name}, rows that differ", differing, differing, differing == 0))
    width = len(columns.STORED_FEATURES) + 2 * _kraft_factors(store)[0].shape[1]
    for name, told in (("ranker_train", answer["train"]), ("ranker_test", answer["test"])):
        mine = [pq.read_metadata(store.table(name)).num_rows, width]
        found.lines.append((f"{name}, rows x features", _shape(mine), _shape(told), mine == told))
    distance = factor_distance(_kraft_factors(store), _peer_factors(out))
    found.lines.append(
        ("preferences from the factors, difference / spread", f"{distance:.5f}", "", distance <= FACTOR_TOLERANCE)
    )
    return found


def factor_distance(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], users: int = SAMPLED_USERS
) -> float:
    """Root mean square difference of the preferences that two models predict, as a share of their spread.

    Args:
        ours: user factors, shape (n_users, n_factors), and item factors, shape (n_items, n_factors).
        theirs: the same of the other model.
        users: every so many-th user is compared, so that about this many are; with all items.

    Returns:
        0 where they predict the same, infinity where the shapes differ. The spread is the standard deviation
        of what `theirs` predicts.
    """
    if [part.shape for part in ours] != [part.shape for part in theirs]:
        return float("inf")
    step = max(1, len(ours[0]) // users)
    mine, other = (model[0][::step] @ model[1].T for model in (ours, theirs))
    return float(np.sqrt(np.mean((mine - other) ** 2)) / max(float(np.std(other)), 1e-12))


def _kraft_factors(store: Store) -> tuple[np.ndarray, np.ndarray]:
    from kraft.models.factors import Factors  # noqa: PLC0415 - only here is implicit needed

    factors = Factors.load(store.model("als_seed"))
    return np.asarray(factors.user), np.asarray(factors.item)


def _peer_factors(out: Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(out / "user_factors.npy"), np.load(out / "item_factors.npy")


def _sorted(path: Path, compared: tuple[str, ...]) -> pl.DataFrame:
    frame = frames.read_parquet(path, columns=list(compared))
    by = [name for name in compared if frame.schema[name] != pl.List]
    # Types may differ in width and in naming a missing number; values may not.
    floats = [pl.col(name).cast(pl.Float64).fill_nan(None) for name in by if frame.schema[name].is_numeric()]
    lists = [pl.col(name).cast(pl.List(pl.Int64)) for name in compared if name not in by]
    return frame.with_columns(*floats, *lists).sort(by)


def _differing(ours: pl.DataFrame, theirs: pl.DataFrame) -> int:
    unequal = [ours[name].ne_missing(theirs[name]) for name in ours.columns]
    return int(pl.select(pl.any_horizontal(unequal)).to_series().sum()) if len(ours) else 0


def _shape(shape: list[int]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
