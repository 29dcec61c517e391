"""Explanations of a few pairs, made of the work folder's tables and models."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kraft import columns
from kraft.artifacts import RANKER
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.models.features.feature_table import FeatureTable
from kraft.models.ranker import training as ranker
from kraft.models.ranker.explain import Explanation, parts_of
from kraft.settings import Settings
from kraft.stages.given_pairs import write_features
from kraft.stages.preset import preset_of

Pair = tuple[int, int]
PAIRS_SCHEMA = pa.schema([(columns.USER_ID, pa.int32()), (columns.ITEM_ID, pa.int32())])


def explain_pairs(pairs: Sequence[Pair], store: Store, settings: Settings) -> dict[Pair, Explanation]:
    """Explanations of ``pairs``, distinct (user_id, item_id) sorted by both."""
    preset = preset_of(settings)
    with store.scratch() as folder:
        asked = folder / "asked.parquet"
        users, items = (pa.array(ids, pa.int32()) for ids in zip(*pairs, strict=True))
        pq.write_table(pa.table([users, items], schema=PAIRS_SCHEMA), asked)
        with preset.open_rows(write_features(asked, store, settings, folder), store, settings) as rows:
            trained = ranker.load(store.verified(preset.artifact(RANKER)))
            explained = explain_rows(rows, trained, settings.threads)
    return dict(zip(pairs, explained, strict=True))


def explain_rows(features: FeatureTable[Any], trained: ranker.TrainedRanker, threads: int) -> list[Explanation]:
    """Explanations of every row of a small table: all of it is in memory at once."""
    booster, record = trained
    vectors = features.take(np.arange(len(features)))
    scores, raw, split = (
        np.asarray(booster.predict(vectors, num_threads=threads, **how), dtype=np.float64)
        for how in ({}, {"raw_score": True}, {"pred_contrib": True})
    )
    users, items = (features.column(name, np.int32) for name in (columns.USER_ID, columns.ITEM_ID))
    return [
        Explanation(
            user_id=int(users[row]),
            item_id=int(items[row]),
            score=float(scores[row]),
            raw=float(raw[row]),
            # The last column is the average.
            base=float(split[row, -1]),
            contributions=parts_of(
                record.feature_names, vectors[row].tolist(), split[row, :-1].tolist(), record.category_codes
            ),
            is_probability=record.settings.objective == "binary",
        )
        for row in range(len(vectors))
    ]


def notes_on(
    pairs: Iterable[Pair], store: Store, own: Mapping[tuple[str, int], int | str]
) -> dict[tuple[str, int], list[str]]:
    """(id's column, id) -> what is to be said of it: of those that are not in the train period.

    Args:
        pairs: their ids.
        store: the work folder.
        own: what the log calls each (column, id).

    Raises:
        InputError: a user or a video is in no table.
    """
    users, items = (set(ids) for ids in zip(*pairs, strict=True))
    kinds = (
        (columns.USER_ID, users, "user", "user_index", "user_features", "scored like any user without a history"),
        (columns.ITEM_ID, items, "video", "item_index", "video_metadata", "scored as a new video, without a history"),
    )
    notes = {}
    for column, ids, kind, train, listed, consequence in kinds:
        cold = _missing(ids, column, [store.table(train)])
        elsewhere = [store.table(name) for name in (listed, "interactions", "interactions_test")]
        for strange in sorted(_missing(cold, column, elsewhere)):
            raise InputError(
                f"{kind} {own[column, strange]}: no such {kind} in the log or in the files beside it",
                f"Those with a history are in {store.published_path(train)}, column {column}.",
            )
        for one in cold:
            notes[column, one] = [f"{kind} {own[column, one]} is not in the train period: {consequence}"]
    return notes


def _missing(ids: set[int], column: str, tables: Iterable[Path]) -> set[int]:
    """Those of ``ids`` that are in none of the tables, which are read only as far as needed."""
    left = set(ids)
    for table in tables:
        if left:
            found = pq.read_table(table, columns=[column], filters=[(column, "in", sorted(left))])
            left -= set(found[column].to_pylist())
    return left
