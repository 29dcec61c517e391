"""Score sets that any recommender should beat, made from the tables and from the factors alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kraft import columns
from kraft.engine.paths import file_state
from kraft.engine.sql.given import SCORED, GivenFile
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection, read_parquet
from kraft.engine.sql.sources import Parquet
from kraft.errors import InputError

BASELINES = {
    "random": "random",
    "popularity": "popularity",
    "positive rate": "positive_rate",
    "category rate": "category_rate",
    "shortest first": "shortness",
}
"""Names of the baselines and their columns in `baseline_scores`."""

FACTORS_ALONE = "ALS alone"
"""Name of the baseline that is the product of the factors."""

LEAST_SCORE = float(np.finfo(np.float32).min)
"""Score of a pair whose user or video has no factors: below any product of them."""

BATCH_ROWS = 65_536

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class ScoreColumn:
    """One column of a table of scores, as the logical table `scores`."""

    path: Path
    column: str

    def state(self) -> str:
        return f"{file_state(self.path)}:{self.column}"

    def register(self, connection: Connection, name: str) -> None:
        scored = read_parquet(connection, self.path)
        scored.project(f"user_id, item_id, {self.column} as score").create_view(name, replace=True)


@dataclass(frozen=True)
class GivenScores(Parquet):
    """The checked copy of a user's file of scores."""

    origin: Path
    """The file, for messages."""


Scores = Parquet | RawFile | ScoreColumn
"""What can stand behind the logical table `scores`."""


def take_scores(
    path: Path, connection: Connection, copy: Path, threads: int, numbers: Mapping[str, Path]
) -> GivenScores:
    """A user's file of scores (CSV or Parquet, with user_id, item_id and score), as its ``copy``, with ``numbers`` as
    `GivenFile` has them.

    Raises:
        InputError: as `GivenFile.take`.
    """
    GivenFile(path, SCORED, numbers).take(connection, copy, threads)
    return GivenScores(copy, path)


def score_file(path: Path) -> RawFile:
    """A file of scores that was made here: Parquet or CSV, with user_id, item_id and score.

    Raises:
        InputError: it is missing, unreadable, or lacks a column.
    """
    source = RawFile(path, {columns.USER_ID: "INTEGER", columns.ITEM_ID: "INTEGER", columns.SCORE: "DOUBLE"})
    try:
        source.check_header()
    except InputError as error:
        raise InputError(error.problem, "Give a Parquet file with the columns user_id, item_id and score.") from None
    return source


def write_factor_scores(model: Path, pairs: Path, target: Path) -> None:
    """Score every pair by the product of its factors.

    Args:
        model: folder of the factors: user_factors.npy, item_factors.npy, and the ids of their rows, ascending, in
            user_ids.npy and item_ids.npy.
        pairs: Parquet with user_id and item_id.
        target: the Parquet file to write: user_id, item_id, score; in the order of ``pairs``.

    Raises:
        InputError: the folder does not hold a whole model.

    Memory: the factors are mapped; one batch of pairs.
    """
    user_ids, users = _factors(model, "user")
    item_ids, items = _factors(model, "item")
    schema = pa.schema({columns.USER_ID: pa.int32(), columns.ITEM_ID: pa.int32(), columns.SCORE: pa.float64()})
    with pq.ParquetWriter(target, schema) as writer:
        for user, item in _id_batches(pairs):
            user_row, item_row = _rows(user_ids, user), _rows(item_ids, item)
            known = (user_row >= 0) & (item_row >= 0)
            score = np.full(len(user), LEAST_SCORE)
            # Summed as doubles and rounded, so that no order of additions shows.
            score[known] = np.einsum(
                "ij,ij->i", users[user_row[known]], items[item_row[known]], dtype=np.float64
            ).astype(np.float32)
            writer.write_batch(pa.record_batch([user, item, score], schema=schema))


def _factors(model: Path, side: str) -> tuple[Ids, NDArray[np.float32]]:
    """Ids and factors of the users or the items."""
    try:
        ids = np.load(model / f"{side}_ids.npy", allow_pickle=False)
        factors = np.load(model / f"{side}_factors.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as reason:
        raise _damaged(model, str(reason)) from reason
    if len(ids) != len(factors) or not (np.diff(ids) > 0).all():
        raise _damaged(model, f"{side}_ids.npy does not hold one id a row of {side}_factors.npy, ascending")
    return ids, factors


def _id_batches(pairs: Path) -> Iterator[tuple[Ids, Ids]]:
    with pq.ParquetFile(pairs) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=[columns.USER_ID, columns.ITEM_ID]):
            yield (
                batch.column(columns.USER_ID).to_numpy(zero_copy_only=False),
                batch.column(columns.ITEM_ID).to_numpy(zero_copy_only=False),
            )


def _rows(ids: Ids, wanted: Ids) -> NDArray[np.int64]:
    """Place of each of ``wanted`` in ``ids``; -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1)
    position = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[position] == wanted, position, -1)


def _damaged(model: Path, reason: str) -> InputError:
    return InputError(f"{model}: not a whole ALS model ({reason})", "Fit it again with python -m jobs.train --force.")
