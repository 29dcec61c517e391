"""Did KRAFT and the pandas baseline compute the same tables, features and factors?"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from kraft import columns
from kraft.benchmark.report import Check, at_most, check
from kraft.engine import frames
from kraft.engine.workspace.store import Store

FACTOR_TOLERANCE = 0.1
"""How far apart the preferences may be that two models predict (`factor_distance`), to count as the same.

KRAFT's dense solver adds up in another order than implicit, and each sweep magnifies the rounding of the last: 0.004
after 20 sweeps on full-size data, 0.06 on random labels. Other first factors give 0.85."""
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


def compare(store: Store, out: Path, answer: dict[str, Any]) -> list[Check]:
    """Compare tables and factors of a KRAFT work folder with the baseline's in ``out``, which returned ``answer``."""
    checks = []
    for name, compared in TABLES.items():
        ours, theirs = (_sorted(path, compared) for path in (store.table(name), out / f"{name}.parquet"))
        same = len(ours) == len(theirs)
        checks.append(check(f"{name}, rows", f"{len(ours):,}", f"{len(theirs):,}", holds=same))
        differing = _differing(ours, theirs) if same else len(ours)
        checks.append(check(f"{name}, rows that differ", f"{differing:,}", "0", holds=differing == 0))
    width = len(columns.STORED_FEATURES) + 2 * _kraft_factors(store)[0].shape[1]
    for name, told in (("ranker_train", answer["train"]), ("ranker_test", answer["test"])):
        shape = [pq.read_metadata(store.table(name)).num_rows, width]
        found, required = (" x ".join(f"{size:,}" for size in one) for one in (shape, told))
        checks.append(check(f"{name}, rows x features", found, required, holds=shape == told))
    factors = np.load(out / "user_factors.npy"), np.load(out / "item_factors.npy")
    distance = factor_distance(_kraft_factors(store), factors)
    return [*checks, at_most("preferences from the factors, difference / spread", distance, FACTOR_TOLERANCE, ".5f")]


Model = tuple[np.ndarray, np.ndarray]
"""User factors, shape (n_users, n_factors), and item factors, shape (n_items, n_factors)."""


def factor_distance(ours: Model, theirs: Model, users: int = SAMPLED_USERS) -> float:
    """Root mean square difference of the preferences that two models predict, as a share of their spread.

    The spread is the standard deviation of what ``theirs`` predicts; about ``users`` users are compared, with all
    items. Infinity if the shapes differ.
    """
    if [part.shape for part in ours] != [part.shape for part in theirs]:
        return float("inf")
    step = max(1, len(ours[0]) // users)
    mine, other = (model[0][::step] @ model[1].T for model in (ours, theirs))
    return float(np.sqrt(np.mean((mine - other) ** 2)) / max(float(np.std(other)), 1e-12))


def _kraft_factors(store: Store) -> Model:
    from kraft.models.als.factors import Factors  # noqa: PLC0415 - only here is implicit needed

    factors = Factors.load(store.model("als_documented"))
    return np.asarray(factors.user), np.asarray(factors.item)


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
