"""Scores a ranker table of any length: row groups in, row groups out, nothing kept between them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.models.features.feature_table import BATCH_ROWS, FeatureTable
from kraft.models.ranker.training import TrainedRanker

SCORES_SCHEMA = pa.schema(
    [
        pa.field(columns.USER_ID, pa.int32(), nullable=False),
        pa.field(columns.ITEM_ID, pa.int32(), nullable=False),
        pa.field(columns.SCORE, pa.float64(), nullable=False),
    ]
)
Scores = npt.NDArray[np.float64]


def score(
    features: FeatureTable[Any],
    ranker: TrainedRanker,
    target: Path,
    *,
    threads: int,
    progress: Progress,
) -> int:
    """Write the ranker's score of every row of ``features`` to ``target``, in the same order.

    Args:
        features: the rows to score; their table's user_id and item_id are copied as they are.
        ranker: the model.
        target: the Parquet file to write: user_id INTEGER, item_id INTEGER, score DOUBLE (0 to 1, or any number
            where the objective is a ranking). Written in place: whoever calls publishes it when it is whole.
        threads: threads of LightGBM; the scores do not depend on them.
        progress: where to report to.

    Returns:
        Rows written: those of the table.

    Raises:
        InputError: the table lacks a column or a value, or its features are not those of the model.

    Memory: one row group of the table and one batch, whatever the number of rows.
    """
    check_features(features, ranker)
    with (
        progress.task("score", len(features)) as task,
        pq.ParquetWriter(target, SCORES_SCHEMA, compression="zstd") as writer,
    ):
        for scores in scored(features, ranker, range(features.row_groups), threads=threads):
            writer.write_table(scores, row_group_size=max(1, len(scores)))
            task.advance(len(scores))
    return len(features)


def check_features(features: FeatureTable[Any], ranker: TrainedRanker) -> None:
    """Make sure that a ranker was trained on the features of a table.

    Raises:
        InputError: it was trained on others.
    """
    if list(features.feature_names) != ranker.record.feature_names:
        raise InputError(
            f"the ranker was trained on {len(ranker.record.feature_names)} features, these rows have "
            f"{len(features.feature_names)} or others",
            "Train again with python -m jobs.train --force.",
        )


def scored(
    features: FeatureTable[Any], ranker: TrainedRanker, groups: Iterable[int], *, threads: int
) -> Iterator[pa.Table]:
    """The scores of some row groups, a table each, as `SCORES_SCHEMA`.

    Args:
        features: the table.
        ranker: trained on its features.
        groups: numbers of row groups.
        threads: threads of LightGBM; the scores do not depend on them.
    """
    for group in groups:
        ids = features.read(group, (columns.USER_ID, columns.ITEM_ID))
        scores = _by_batches(features, group, ranker, threads)
        yield ids.append_column(columns.SCORE, pa.array(scores)).cast(SCORES_SCHEMA)


def _by_batches(features: FeatureTable[Any], group: int, ranker: TrainedRanker, threads: int) -> Scores:
    """Scores of a row group as LightGBM predicts them."""
    rows = features.row_group_rows(group)
    scores = np.empty(len(rows))
    for start in range(0, len(rows), BATCH_ROWS):
        batch = features.take(np.arange(rows.start + start, min(rows.start + start + BATCH_ROWS, rows.stop)))
        scores[start : start + len(batch)] = np.asarray(ranker.booster.predict(batch, num_threads=threads))
    return scores
