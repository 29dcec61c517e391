"""The stage that fits the watch time models: JSON in, JSON out, in a process of its own."""

from collections.abc import Mapping
from typing import Any

from kraft.engine.budget import peak_bytes
from kraft.engine.progress import Progress
from kraft.engine.store import FIT, Store
from kraft.models import watch_time
from kraft.models.recipes import WATCH_TIME, fit_store, watch_time_recipe
from kraft.models.time_pages import TimePages
from kraft.models.video_prior import read_attributes
from kraft.settings import MIB, PRESETS, Settings


def fit_watch_times(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the models that are stale, of the whole train period and of its history, and publish each as `watch_time`.

    Args:
        arguments: `settings`; `stores`, which of "main" and "fit" to fit.
    """
    settings = Settings.model_validate(arguments["settings"])
    main, progress = Store(settings.work), Progress(settings.verbosity)
    chosen = PRESETS[settings.preset].watch_time
    assert chosen is not None  # noqa: S101 - the pipeline asks for it with such a preset only
    facts: dict[str, Any] = {}
    for which in arguments["stores"]:
        store = fit_store(main) if which == FIT else main
        attributes = read_attributes(main.table("video_details"), store.table("daily_totals"))
        with store.scratch() as folder:
            by_user, by_video, columns = TimePages.write(store.table("watch_times"), folder)
            model = watch_time.fit(
                by_user, by_video, columns, attributes, chosen, threads=settings.threads, progress=progress
            )
            made = folder / WATCH_TIME
            made.mkdir()
            model.save(made)
            facts = {"pairs": by_user.cells, "noise": model.noise, "peak_mib": round(peak_bytes() / MIB)}
            store.publish(WATCH_TIME, made, watch_time_recipe(store, main, settings), facts)
    return {"rank": chosen.rank, "fitted": len(arguments["stores"]), **facts}
