"""The stage that fits the factors: JSON in, JSON out, in a process of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from kraft.engine.budget import Budget, peak_bytes
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.sources import Parquet, Source
from kraft.engine.store import Store
from kraft.models.als import fit
from kraft.models.recipes import ALS, als_recipe, named
from kraft.settings import MIB, Settings


def fit_als(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the ALS factors of the train period and publish them as the preset's model `als_PRESET`."""
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
        store.publish(named(ALS, settings), made, als_recipe(store, settings), facts)
    return {"users": len(user_ids), "items": len(item_ids), "factors": settings.als.factors, **facts}


def _sorted_by_item(settings: Settings, store: Store, folder: Path) -> Path:
    """`item_user_counts`, which only the sparse solver needs: made beside the pages, not kept."""
    sources: dict[str, Source] = {"user_item_counts": Parquet(store.table("user_item_counts"))}
    own = Store(folder / "by_item")
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
        builder = Builder(connection, own, sources, {}, Progress(-1), threads=settings.threads)
        return builder.ensure("item_user_counts")
