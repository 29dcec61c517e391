"""The stage that fits the watch time models: of the whole train period, and of its history."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kraft.artifacts import WATCH_TIME
from kraft.engine.process.memory import peak_bytes
from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import MIB, Settings
from kraft.stages.fingerprints import watch_time_fingerprint
from kraft.stages.preset import history_store, preset_of

if TYPE_CHECKING:
    from kraft.models.watch_time.log_matrix import TimePages
    from kraft.models.watch_time.model import Index

Period = Literal["train", "history"]


class FitWatchTimes(Record):
    """What `fit_watch_times` is asked."""

    settings: Settings
    periods: tuple[Period, ...]
    """Those whose models are stale."""


class WatchTimesFitted(Record):
    """What `fit_watch_times` made; of several models, facts of the last."""

    fitted: int
    """Models."""
    rank: int
    pairs: int
    noise: float
    """Variance of the log watch time that the model does not explain."""
    sharing: dict[str, int]
    """Kind of category -> how many of the rarest share one column."""
    peak_mib: int


def store_of(period: Period, store: Store) -> Store:
    """The store of a period's tables and model."""
    return history_store(store) if period == "history" else store


@stage(FitWatchTimes, WatchTimesFitted)
def fit_watch_times(arguments: FitWatchTimes) -> WatchTimesFitted:
    """Fit each model and publish it as `watch_time` of its store."""
    from kraft.models.watch_time.log_matrix import TimePages

    settings = arguments.settings
    main = Store(settings.work)
    stores = [store_of(period, main) for period in arguments.periods]
    with ExitStack() as stack:
        folders = [stack.enter_context(store.scratch()) for store in stores]
        # All of them before the first fit: the batches that Polars reads for the second would come on top of what that
        # leaves in the heap, which is a tenth of the peak at 75 M interactions.
        pages = [TimePages.write(store.table("watch_times"), at) for store, at in zip(stores, folders, strict=True)]
        fitted = [
            _fit(main, store, folder, written, settings)
            for store, folder, written in zip(stores, folders, pages, strict=True)
        ]
    return fitted[-1].model_copy(update={"fitted": len(fitted)})


def _fit(
    main: Store, store: Store, folder: Path, pages: "tuple[TimePages, TimePages, Index]", settings: Settings
) -> WatchTimesFitted:
    """Fit the model of one store and publish it."""
    from kraft.models.watch_time import fit as watch_time
    from kraft.models.watch_time.video_prior import read_attributes

    chosen = preset_of(settings).watch_time
    assert chosen is not None  # noqa: S101 - the pipeline asks for it with such a preset only
    attributes = read_attributes(main.table("video_details"), store.table("daily_stats"))
    model = watch_time.fit(*pages, attributes, chosen, threads=settings.threads, progress=Progress(settings.verbosity))
    made = folder / WATCH_TIME
    made.mkdir()
    model.save(made)
    facts = {
        "pairs": pages[0].cells,
        "noise": model.noise,
        "sharing": dict(attributes.sharing),
        "peak_mib": round(peak_bytes() / MIB),
    }
    store.publish(WATCH_TIME, made, watch_time_fingerprint(store, main, settings), facts)
    return WatchTimesFitted(fitted=1, rank=chosen.rank, **facts)
