"""The stage that fits the ALS factors of the train period."""

from collections.abc import Callable
from pathlib import Path

from kraft.artifacts import ALS
from kraft.columns import ITEM_ID, USER_ID
from kraft.engine.process.memory import Budget, peak_bytes
from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import MIB, Settings
from kraft.stages.fingerprints import als_fingerprint
from kraft.stages.preset import als_settings, preset_of


class FitAls(Record):
    """What `fit_als` is asked."""

    settings: Settings


class AlsFitted(Record):
    """What `fit_als` made."""

    users: int
    items: int
    factors: int
    solver: str
    """implicit, dense or spark."""
    density: float
    """Share of all pairs that was observed."""
    peak_mib: int


@stage(FitAls, AlsFitted)
def fit_als(arguments: FitAls) -> AlsFitted:
    """Fit the factors and publish them as the preset's model `als_PRESET`."""
    from kraft.engine import frames
    from kraft.models.als.fit import fit
    from kraft.models.als.log_batches import Log
    from kraft.models.positives import naming_threshold

    settings = arguments.settings
    chosen = als_settings(settings)
    store, progress = Store(settings.work), Progress(settings.verbosity)
    log = Log(*(store.table(name) for name in ("interactions_train", "user_index", "item_index")))
    user_ids = frames.read_parquet(log.users)[USER_ID].to_numpy()
    item_ids = frames.read_parquet(log.items)[ITEM_ID].to_numpy()
    with naming_threshold(store, settings), store.scratch() as folder:
        factors = fit(
            _counts(settings, store, folder, "user_item_counts"),
            _counts(settings, store, folder, "item_user_counts"),
            len(user_ids),
            len(item_ids),
            chosen,
            scratch=folder,
            threads=settings.threads,
            progress=progress,
            solver=settings.als_solver,
            log=log,
        )
        made = folder / ALS
        made.mkdir()
        factors.save(made, user_ids, item_ids, chosen)
        return publish(made, factors.solver, factors.density, (len(user_ids), len(item_ids)), settings)


def publish(made: Path, solver: str, density: float, shape: tuple[int, int], settings: Settings) -> AlsFitted:
    """Make the folder ``made`` the preset's ALS model.

    Args:
        made: what `Factors.save` wrote, in a scratch folder of the work folder.
        solver: how the factors were fitted.
        density: share of all pairs that was observed.
        shape: users and items.
        settings: of the job.
    """
    store, peak = Store(settings.work), round(peak_bytes() / MIB)
    facts = {"solver": solver, "density": density, "peak_mib": peak}
    store.publish(preset_of(settings).artifact(ALS), made, als_fingerprint(store, settings), facts)
    return AlsFitted(
        users=shape[0],
        items=shape[1],
        factors=als_settings(settings).factors,
        solver=solver,
        density=density,
        peak_mib=peak,
    )


def _counts(settings: Settings, store: Store, folder: Path, name: str) -> Callable[[], Path]:
    """Makes a table of counts, sorted as a sparse solver needs it, when it is asked for; it is not kept.

    Most logs need no DuckDB in this process.
    """

    def make() -> Path:
        from kraft.engine.sql.builder import Builder
        from kraft.engine.sql.session import open_session
        from kraft.engine.sql.sources import Parquet, Source

        known: dict[str, Source] = {
            part: Parquet(store.table(part)) for part in ("interactions_train", "user_index", "item_index")
        }
        with open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection:
            builder = Builder(connection, Store(folder / "counts"), known, {}, Progress(-1), threads=settings.threads)
            return builder.ensure(name)

    return make
