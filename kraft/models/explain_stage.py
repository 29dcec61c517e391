"""The stage that explains scores: JSON in, JSON out, in a process of its own."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kraft import columns
from kraft.engine.budget import peak_bytes
from kraft.engine.store import Store
from kraft.errors import InputError
from kraft.models import ranker
from kraft.models.explaining import Explanation, parts_of
from kraft.models.feature_table import FeatureTable
from kraft.models.given_pairs import write_features
from kraft.models.preset_rows import open_rows
from kraft.models.recipes import RANKER, named
from kraft.settings import MIB, Settings

Pair = tuple[int, int]
PAIRS_SCHEMA = pa.schema([(columns.USER_ID, pa.int32()), (columns.ITEM_ID, pa.int32())])


def explain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Explain the ranker's scores of a few pairs; tables and models are up to date.

    Args:
        arguments: `settings`; `pairs`, a list of [user_id, item_id]; `features`, lines a pair with a feature each in
            the table, by default 10; `sources`, a text a pair: what offered the video, by default nothing.

    Returns:
        `explanations` (a list of `Explanation.as_json` in the order of the pairs, with every feature), `table` (plain
        text), `peak_mib`.

    Raises:
        InputError: a user or a video is in no table.
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    pairs: list[Pair] = [(int(user), int(item)) for user, item in arguments["pairs"]]
    sources = arguments.get("sources") or [""] * len(pairs)
    notes = _notes(pairs, store)
    explained = explain_pairs(sorted(set(pairs)), store, settings)
    explanations = []
    for (user, item), offered_by in zip(pairs, sources, strict=True):
        told = (*notes.get((columns.USER_ID, user), ()), *notes.get((columns.ITEM_ID, item), ()))
        explanations.append(explained[user, item].with_context(told, offered_by))
    most = int(arguments.get("features", 10))
    return {
        "explanations": [one.as_json() for one in explanations],
        "table": "\n\n".join(one.to_text(most) for one in explanations),
        "peak_mib": round(peak_bytes() / MIB),
    }


def explain_pairs(pairs: Sequence[Pair], store: Store, settings: Settings) -> dict[Pair, Explanation]:
    """Explanations of ``pairs``, distinct (user_id, item_id) sorted by both."""
    with store.scratch() as folder:
        asked = folder / "asked.parquet"
        users, items = (pa.array(ids, pa.int32()) for ids in zip(*pairs, strict=True))
        pq.write_table(pa.table([users, items], schema=PAIRS_SCHEMA), asked)
        with open_rows(write_features(asked, store, settings, folder), store, settings) as rows:
            trained = ranker.load(store.trusted(named(RANKER, settings)))
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


def _notes(pairs: Iterable[Pair], store: Store) -> dict[tuple[str, int], list[str]]:
    """(id's column, id) -> what is to be said of it: of those that are not in the train period.

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
                f"{kind} {strange}: no such {kind} in the log or in the files beside it",
                f"Those with a history are in {store.shown(train)}, column {column}.",
            )
        for one in cold:
            notes[column, one] = [f"{kind} {one} is not in the train period: {consequence}"]
    return notes


def _missing(ids: set[int], column: str, tables: Iterable[Path]) -> set[int]:
    """Those of ``ids`` that are in none of the tables, which are read only as far as needed."""
    left = set(ids)
    for table in tables:
        if left:
            found = pq.read_table(table, columns=[column], filters=[(column, "in", sorted(left))])
            left -= set(found[column].to_pylist())
    return left
