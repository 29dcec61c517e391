"""The stage that fits the factors: JSON in, JSON out, in a process of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kraft.columns import ITEM_ID, USER_ID
from kraft.engine import frames
from kraft.engine.budget import Budget, peak_bytes
from kraft.engine.progress import Progress
from kraft.engine.store import Store
from kraft.models.als import fit
from kraft.models.interactions import Log
from kraft.models.positives import naming_threshold
from kraft.models.recipes import ALS, als_recipe, named
from kraft.settings import MIB, Settings


def fit_als(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the ALS factors of the train period and publish them as the preset's model `als_PRESET`."""
    settings = Settings.model_validate(arguments["settings"])
    store, progress = Store(settings.work), Progress(settings.verbosity)
    log = Log(*(store.table(name) for name in ("interactions_train", "user_index", "item_index")))
    user_ids = frames.read_parquet(log.users)[USER_ID].to_numpy()
    item_ids = frames.read_parquet(log.items)[ITEM_ID].to_numpy()
    with naming_threshold(store, settings), store.scratch() as folder:
        factors = fit(
            lambda: _counted(settings, store, folder, "user_item_counts"),
            lambda: _counted(settings, store, folder, "item_user_counts"),
            len(user_ids),
            len(item_ids),
            settings.als,
            scratch=folder,
            threads=settings.threads,
            progress=progress,
            solver=settings.als_solver,
            log=log,
        )
        made = folder / ALS
        made.mkdir()
        factors.save(made, user_ids, item_ids, settings.als)
        facts = {"solver": factors.solver, "density": factors.density, "peak_mib": round(peak_bytes() / MIB)}
        store.publish(named(ALS, settings), made, als_recipe(store, settings), facts)
    return {"users": len(user_ids), "items": len(item_ids), "factors": settings.als.factors, **facts}


def _counted(settings: Settings, store: Store, folder: Path, name: str) -> Path:
    """A table of counts, sorted as a sparse solver needs it: made beside the pages, not kept."""
    # Imported here: most logs need no DuckDB in this process.
    from kraft.engine.builder import Builder  # noqa: PLC0415
    from kraft.engine.session import open_session  # noqa: PLC0415
    from kraft.engine.sources import Parquet, Source  # noqa: PLC0415

    known: dict[str, Source] = {
        part: Parquet(store.table(part)) for part in ("interactions_train", "user_index", "item_index")
    }
    with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
        builder = Builder(connection, Store(folder / "counts"), known, {}, Progress(-1), threads=settings.threads)
        return builder.ensure(name)
