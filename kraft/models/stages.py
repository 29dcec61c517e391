"""The stages that make models and scores: JSON in, JSON out, each in a process of its own."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from kraft import columns
from kraft.engine.budget import MIB, Budget, peak_bytes
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.sources import Parquet, RawFile, Source
from kraft.engine.store import Store, write_whole
from kraft.errors import InputError
from kraft.models.recipes import ALS, RANKER, SCORES, als_recipe, ranker_recipe, scores_recipe
from kraft.settings import Settings


def fit_als(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the ALS factors of the train period and publish them as the model `als`."""
    from kraft.models.als import fit  # noqa: PLC0415 - keeps implicit out of the other stages

    settings = Settings.model_validate(arguments["settings"])
    store, progress = Store(settings.work), Progress(settings.verbosity)
    user_ids, item_ids = (
        pl.read_parquet(store.table(f"{side}_index"))[f"{side}_id"].to_numpy() for side in ("user", "item")
    )
    with store.scratch() as folder:
        factors = fit(
            store.table("user_item_counts"),
            lambda: _sorted_by_item(settings, store, folder),
            len(user_ids),
            len(item_ids),
            settings.als,
            scratch=folder,
            threads=settings.threads,
            progress=progress,
            solver=settings.als_solver,
        )
        made = folder / ALS
        made.mkdir()
        factors.save(made, user_ids, item_ids, settings.als)
        facts = {"solver": factors.solver, "density": factors.density, "peak_mib": round(peak_bytes() / MIB)}
        store.publish(ALS, made, als_recipe(store, settings), facts)
    return {"users": len(user_ids), "items": len(item_ids), "factors": settings.als.factors, **facts}


def _sorted_by_item(settings: Settings, store: Store, folder: Path) -> Path:
    """`item_user_counts`, which only the sparse solver needs: made beside the pages, not kept."""
    sources: dict[str, Source] = {
        name: Parquet(store.table(name)) for name in ("interactions_train", "user_index", "item_index")
    }
    own = Store(folder / "by_item")
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
        builder = Builder(connection, own, sources, {}, Progress(-1), threads=settings.threads)
        return builder.ensure("item_user_counts")


def train_ranker(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Train the ranker and publish it as the model `ranker`."""
    from kraft.models import ranker  # noqa: PLC0415 - LightGBM costs 130 MiB that the other stages need not pay
    from kraft.models.als import Factors  # noqa: PLC0415

    settings = Settings.model_validate(arguments["settings"])
    store, progress = Store(settings.work), Progress(settings.verbosity)
    factors = Factors.load(store.model(ALS))
    trained = ranker.train(
        store.table("ranker_train"),
        factors.user,
        factors.item,
        settings.ranker,
        threads=settings.threads,
        progress=progress,
        category_codes=category_codes(store.table("user_features")),
    )
    record = trained.record
    with store.scratch() as folder:
        made = folder / RANKER
        made.mkdir()
        trained.save(made)
        facts = {"validation_auc": record.validation_auc, "peak_mib": round(peak_bytes() / MIB)}
        store.publish(RANKER, made, ranker_recipe(store, settings), facts)
    return record.model_dump(mode="json", exclude={"feature_names", "category_codes"}) | facts


def category_codes(user_features: Path) -> dict[str, list[str]]:
    """The values of each categorical feature in the order of their codes; code 0 is what is missing, ''."""
    users = pl.read_parquet(user_features)
    codes: dict[str, list[str]] = {}
    for name in columns.CATEGORICAL_FEATURES:
        seen = users.select(pl.col(name).cast(pl.String).alias("value"), pl.col(f"{name}_code").alias("code"))
        known = seen.filter(pl.col("code") > 0).unique().sort("code")["value"].to_list()
        codes[name] = ["", *known]
    return codes


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
    from kraft.models import ranker, scoring  # noqa: PLC0415 - as in train_ranker
    from kraft.models.als import Factors  # noqa: PLC0415

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
