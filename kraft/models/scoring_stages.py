"""The stages that score: JSON in, JSON out, each in a process of its own."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from kraft import columns
from kraft.engine.budget import Budget, peak_bytes
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.sources import Parquet, RawFile, Source
from kraft.engine.store import Store, write_whole
from kraft.errors import InputError
from kraft.models.recipes import ALS, RANKER, SCORES, scores_recipe
from kraft.settings import MIB, Settings


def score(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Score every test pair and publish the table `scores`."""
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    started = time.monotonic()
    with store.scratch() as folder:
        written = folder / f"{SCORES}.parquet"
        rows = _score_table(settings, store, store.table("ranker_test"), written)
        facts = {
            "rows": rows,
            "seconds": round(time.monotonic() - started, 3),
            "peak_mib": round(peak_bytes() / MIB),
            "purpose": "The ranker's score of every test pair. Grain: one row a test pair.",
            "columns": {
                columns.USER_ID: "id of the user",
                columns.ITEM_ID: "id of the video",
                columns.SCORE: "probability of a positive interaction, as the ranker sees it [0 to 1]",
            },
        }
        store.publish(SCORES, written, scores_recipe(store), facts)
    store.write_catalog()
    return facts


def score_pairs(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Score the pairs of a user's file, in its order, into another file.

    The features come from the same files of `sql/` as those of the test pairs, with the given pairs standing
    for them; users and items that were never seen get what the documented pipeline gives cold ones.
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    pairs = RawFile(Path(arguments["pairs"]), {columns.USER_ID: "INTEGER", columns.ITEM_ID: "INTEGER"})
    tables = ("user_features", "video_metadata", "user_index", "item_index", "user_counts", "item_counts")
    sources: dict[str, Source] = {name: Parquet(store.table(name)) for name in tables}
    sources |= {"interactions": pairs, "interactions_test": pairs}
    with store.scratch() as folder:
        with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
            builder = Builder(connection, Store(folder / "pairs"), sources, {}, Progress(-1), threads=settings.threads)
            asked = builder.rows_of("interactions_test")
            features = builder.ensure("ranker_test")
            found = builder.rows_of("ranker_test")
        if found != asked:
            raise InputError(
                f"{pairs.path}: {asked - found:,} of {asked:,} pairs have no user_id or no item_id",
                "Give both ids, integers, in every row.",
            )
        written = folder / "scores.parquet"
        rows = _score_table(settings, store, features, written)
        export(written, Path(arguments["out"]))
    return {"rows": rows, "peak_mib": round(peak_bytes() / MIB)}


def _score_table(settings: Settings, store: Store, features: Path, target: Path) -> int:
    # Imported here: `export_scores` copies a file and need not pay LightGBM's 130 MiB and second.
    from kraft.models import ranker, scoring  # noqa: PLC0415
    from kraft.models.factors import Factors  # noqa: PLC0415

    factors = Factors.load(store.model(ALS))
    return scoring.score(
        features,
        factors.user,
        factors.item,
        ranker.load(store.model(RANKER)),
        target,
        threads=settings.threads,
        progress=Progress(settings.verbosity),
    )


def export(scores: Path, out: Path) -> None:
    """Write the scores to ``out``, whole or not at all: CSV where its name ends in .csv, else Parquet."""
    frame = pl.scan_parquet(scores)
    write_whole(out, frame.sink_csv if out.suffix == ".csv" else frame.sink_parquet)


def export_scores(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the table `scores` to the path that the user named."""
    settings = Settings.model_validate(arguments["settings"])
    export(Store(settings.work).table(SCORES), Path(arguments["out"]))
    return {}
