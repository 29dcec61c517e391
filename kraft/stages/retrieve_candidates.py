"""The stage that chooses candidates from the whole catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kraft import columns
from kraft.artifacts import ALS, WATCH_TIME
from kraft.engine.process.memory import Budget
from kraft.engine.process.stage import STREAMING, Record, stage
from kraft.engine.workspace.store import Store, write_whole
from kraft.errors import InputError
from kraft.settings import Settings
from kraft.stages.preset import preset_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from kraft.engine.sql.ids import GivenIds
    from kraft.models.candidates.catalogue import Catalogue
    from kraft.models.candidates.retrieval import Choice, Users
    from kraft.models.candidates.sources import Source


class RetrieveCandidates(Record):
    """What `retrieve_candidates` is asked."""

    settings: Settings
    users: Path | None
    """CSV or Parquet file with a column user_id; None: every user of the train period."""
    items: Path | None
    """CSV or Parquet file with a column item_id or video_id; None: the whole catalogue."""
    cold_users: Literal["error", "popular"]
    """Users who are not in train: an error, or popular and new videos."""
    exclude_seen: bool
    """Whether to leave out what a user met in train."""
    candidates: int | None
    """How many a user; None: every video that is left."""
    ranks: bool
    """Whether to write all that the sources retrieve in lists of that length, with the rank in the list of each."""
    out: Path
    """The file to write: `blocks.schema`, sorted by user_id and item_id."""


class CandidatesRetrieved(Record):
    """What `retrieve_candidates` made."""

    users: int
    cold_users: int
    """Of these, without a history."""
    repeated_users: int
    """Repeated ids in the user's file."""
    videos: int
    """To choose from."""
    pairs: int
    short_users: int
    """Users with fewer candidates than asked for."""


@stage(RetrieveCandidates, CandidatesRetrieved, STREAMING)
def retrieve_candidates(
    arguments: RetrieveCandidates,
    *,
    write: "Callable[[Store, Choice, Users, Path], tuple[int, int]] | None" = None,
) -> CandidatesRetrieved:
    """Choose candidates for every user and write them to a Parquet file.

    Args:
        arguments: of the stage.
        write: writes them, and returns the pairs, and the users with fewer than asked for; by default
            `retrieval.write_candidates`.

    Raises:
        InputError: a file is unreadable, empty, or has ids that are missing, negative or unknown.

    Memory: the factors of the videos, one row group of each table of users, and `blocks.ROOM_OF_A_BLOCK` a thread.
    """
    from kraft.models.candidates.retrieval import Choice, write_candidates

    settings = arguments.settings
    store = Store(settings.work)
    catalogue = _catalogue(store, settings, arguments.items)
    users = _users(store, settings, arguments.users, cold=arguments.cold_users)
    choice = Choice(
        settings,
        catalogue,
        {} if arguments.candidates is None else make_sources(store, settings, catalogue),
        arguments.candidates,
        arguments.ranks and arguments.candidates is not None,
        arguments.exclude_seen,
    )
    counts: list[int] = []
    write_whole(arguments.out, lambda out: counts.extend((write or write_candidates)(store, choice, users, out)))
    return CandidatesRetrieved(
        users=len(users.ids),
        cold_users=int((users.rows < 0).sum()),
        repeated_users=users.repeated,
        videos=len(catalogue),
        pairs=counts[0],
        short_users=counts[1],
    )


def make_sources(store: Store, settings: Settings, catalogue: "Catalogue") -> "dict[str, Source]":
    """The sources of the preset, by name, in the order of `candidates.SHARES`."""
    from kraft.models.als.factors import Factors
    from kraft.models.candidates.sources import Als, Categories, Similar, WatchTime, new, popular
    from kraft.models.watch_time.model import WatchTimeModel

    preset = preset_of(settings)
    factors = Factors.load(store.verified(preset.artifact(ALS)), mmap=True)
    sources: dict[str, Source] = {}
    if preset.watch_time:
        sources["watch_time"] = WatchTime(WatchTimeModel.load(store.verified(WATCH_TIME)), catalogue)
    return sources | {
        "als": Als(factors, catalogue),
        "popular": popular(catalogue),
        "categories": Categories(catalogue),
        "similar": Similar(factors, catalogue),
        "new": new(catalogue),
    }


def _catalogue(store: Store, settings: Settings, items: Path | None) -> "Catalogue":
    from kraft.models.candidates.catalogue import Catalogue

    whole = Catalogue.read(store.table("catalogue"))
    if items is None:
        return whole
    given = _given(items, columns.ITEM_ID, store, settings)
    positions = whole.positions(given.ids)
    if (positions < 0).any():
        raise InputError(
            f"{items}: {_unknown(given, positions < 0, 'videos')} neither in the log nor in item_categories",
            "Give ids of videos that are.",
        )
    return whole.only(positions)


def _users(store: Store, settings: Settings, given: Path | None, *, cold: str) -> "Users":
    import numpy as np
    import pyarrow.parquet as pq

    from kraft.models.candidates.retrieval import Users

    with pq.ParquetFile(store.table("user_index")) as file:
        table = file.read([columns.USER_ID, columns.USER_INDEX])
    ids, index = (table[name].to_numpy() for name in (columns.USER_ID, columns.USER_INDEX))
    if given is None:
        return Users(ids, index, 0)
    read = _given(given, columns.USER_ID, store, settings)
    asked = read.ids
    positions = np.minimum(np.searchsorted(ids, asked), len(ids) - 1)
    found = np.where(ids[positions] == asked, index[positions], columns.UNKNOWN_INDEX).astype(np.int32)
    if (found < 0).any() and cold == "error":
        raise InputError(
            f"{given}: {_unknown(read, found < 0, 'users')} not in the train period",
            "Leave such users out, or give them popular and new videos with --cold-users popular.",
        )
    return Users(asked, found, read.repeated)


def _given(path: Path, column: str, store: Store, settings: Settings) -> "GivenIds":
    from kraft.engine.own_ids import id_tables
    from kraft.engine.sql.ids import read_ids
    from kraft.engine.sql.session import open_session

    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp, [path]) as connection,
    ):
        return read_ids(path, column, connection, folder, settings.threads, id_tables(store))


def _unknown(given: "GivenIds", unknown: "npt.NDArray[np.bool_]", what: str) -> str:
    count, first = int(unknown.sum()), given.name(int(unknown.argmax()))
    verb = "is" if count == 1 else "are"
    return f"{count:,} of {len(given.ids):,} {what} (the first: {given.column} {first}) {verb}"
