"""The stage that fits the watch time models: JSON in, JSON out, in a process of its own."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kraft.engine.budget import peak_bytes
from kraft.engine.progress import Progress
from kraft.engine.store import FIT, Store
from kraft.models import watch_time
from kraft.models.recipes import WATCH_TIME, fit_store, watch_time_recipe
from kraft.models.time_pages import TimePages
from kraft.models.video_prior import read_attributes
from kraft.models.watch_time_model import Index
from kraft.settings import MIB, PRESETS, Settings


def fit_watch_times(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the models that are stale, of the whole train period and of its history, and publish each as `watch_time`.

    Args:
        arguments: `settings`; `stores`, which of "main" and "fit" to fit.
    """
    settings = Settings.model_validate(arguments["settings"])
    main = Store(settings.work)
    stores = [fit_store(main) if which == FIT else main for which in arguments["stores"]]
    facts: dict[str, Any] = {}
    with ExitStack() as stack:
        folders = [stack.enter_context(store.scratch()) for store in stores]
        # All of them before the first fit: the batches that Polars reads for the second would come on top of what that
        # leaves in the heap, which is a tenth of the peak at 75 M interactions.
        pages = [TimePages.write(store.table("watch_times"), at) for store, at in zip(stores, folders, strict=True)]
        for store, folder, written in zip(stores, folders, pages, strict=True):
            facts = _fit(main, store, folder, written, settings)
    return {"fitted": len(stores), **facts}


def _fit(
    main: Store, store: Store, folder: Path, pages: tuple[TimePages, TimePages, Index], settings: Settings
) -> dict[str, Any]:
    """Fit the model of one store and publish it."""
    chosen = PRESETS[settings.preset].watch_time
    assert chosen is not None  # noqa: S101 - the pipeline asks for it with such a preset only
    attributes = read_attributes(main.table("video_details"), store.table("daily_totals"))
    progress = Progress(settings.verbosity)
    model = watch_time.fit(*pages, attributes, chosen, threads=settings.threads, progress=progress)
    made = folder / WATCH_TIME
    made.mkdir()
    model.save(made)
    facts = {
        "pairs": pages[0].cells,
        "noise": model.noise,
        "sharing": dict(attributes.sharing),
        "peak_mib": round(peak_bytes() / MIB),
    }
    store.publish(WATCH_TIME, made, watch_time_recipe(store, main, settings), facts)
    return {"rank": chosen.rank, **facts}
