"""The stage that chooses candidates from the whole catalogue: JSON in, JSON out, in a process of its own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kraft import columns
from kraft.engine.budget import Budget, peak_bytes
from kraft.engine.ids import GivenIds, read_ids
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.store import Store, write_whole
from kraft.errors import InputError
from kraft.models.candidates.blocks import Made, Tables, candidates, everything, schema, workers
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Als, Categories, Similar, Source, WatchTime, new, popular
from kraft.models.candidates.user_rows import Index, UserRows
from kraft.models.factors import Factors
from kraft.models.recipes import ALS, WATCH_TIME, named
from kraft.models.watch_time_model import WatchTimeModel
from kraft.settings import MIB, PRESETS, Settings

ROW_GROUP: Final = 65_536
"""Rows of a row group of the file; the last has what is left."""


class Users(NamedTuple):
    """For whom candidates are chosen."""

    ids: Index
    """Ascending, each once."""
    rows: Index
    """user_index of each; -1 for one without a history."""
    repeated: int
    """Ids that the user's file had beyond the first of their kind."""


class Choice(NamedTuple):
    """What candidates are chosen from and for whom."""

    settings: Settings
    catalogue: Catalogue
    sources: dict[str, Source]
    """By name; none where every video is wanted."""
    candidates: int | None
    """A user; None for every video that is left."""
    ranks: bool
    """Whether to write all that the sources offer, with the rank in the list of each."""
    exclude_seen: bool


def write_candidates(store: Store, choice: Choice, users: Users, out: Path) -> tuple[int, int]:
    """Write the candidates of ``users``; returns the pairs, and the users with fewer than asked for."""
    pairs = short = 0
    with ExitStack() as stack:
        task = stack.enter_context(Progress(choice.settings.verbosity).task("candidates", len(users.ids), "users"))
        writer = stack.enter_context(_Writer(out, schema(ranks=choice.ranks)))
        for made in chosen(stack, store, choice, users, workers(choice.settings.threads, choice.settings.memory_limit)):
            writer.add(made.table)
            pairs += len(made.table)
            short += made.short
            task.advance(made.users)
    return pairs, short


def chosen(stack: ExitStack, store: Store, choice: Choice, users: Users, threads: int) -> Iterator[Made]:
    """The candidates of ``users``, block after block.

    Args:
        stack: keeps the tables open.
        store: the work folder, whose tables are up to date.
        choice: what to choose from.
        users: for whom.
        threads: blocks side by side.
    """

    def rows(table: str, *names: str) -> UserRows:
        return stack.enter_context(UserRows(store.table(table), names))

    stack.enter_context(threadpool_limits(1, user_api="blas"))
    seen = rows("user_item_counts", columns.ITEM_INDEX) if choice.exclude_seen else None
    known = (users.ids, users.rows)
    if choice.candidates is None:
        return everything(choice.catalogue, Tables(seen), known, threads=threads)
    recent, tastes = (
        rows("recent_positives", "place", columns.ITEM_INDEX),
        rows("user_categories", "category", "weight"),
    )
    tables = Tables(seen, recent, tastes)
    return candidates(
        choice.catalogue,
        choice.sources,
        tables,
        known,
        choice.candidates,
        ranks=choice.ranks,
        threads=threads,
    )


def make_candidates(
    arguments: Mapping[str, Any],
    *,
    write: Callable[[Store, Choice, Users, Path], tuple[int, int]] = write_candidates,
) -> dict[str, Any]:
    """Choose candidates for every user and write them to a Parquet file.

    Args:
        arguments: `settings`; `users` and `items`, CSV or Parquet files with a column user_id, and item_id or video_id,
            or None for all users of train and the whole catalogue; `cold_users`, what to do with users who are not in
            train: error or popular (popular and new videos); `exclude_seen`, whether to leave out what a user met in
            train; `candidates`, how many a user, or None for every video that is left; `ranks`, whether to write all
            that the sources offer in lists of that length, with the rank in the list of each; `out`, the file to
            write: `blocks.schema`, sorted by user_id and item_id.
        write: writes them, and returns the pairs, and the users with fewer than asked for.

    Returns:
        `users`; of them `cold_users` and `short_users` (with fewer candidates than asked for); `repeated_users`, ids
        that stood in the file once more; `videos` to choose from; `pairs` written; `peak_mib`.

    Raises:
        InputError: a file is unreadable, empty, or has ids that are missing, negative or unknown.

    Memory: the factors of the videos, one row group of each table of users, and `blocks.ROOM_OF_A_BLOCK` a thread.
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    catalogue = _catalogue(store, settings, arguments["items"])
    users = _users(store, settings, arguments["users"], cold=arguments["cold_users"])
    wanted = None if arguments["candidates"] is None else int(arguments["candidates"])
    choice = Choice(
        settings,
        catalogue,
        {} if wanted is None else make_sources(store, settings, catalogue),
        wanted,
        bool(arguments["ranks"]) and wanted is not None,
        bool(arguments["exclude_seen"]),
    )
    counts: list[int] = []
    write_whole(Path(arguments["out"]), lambda out: counts.extend(write(store, choice, users, out)))
    return {
        "users": len(users.ids),
        "cold_users": int((users.rows < 0).sum()),
        "repeated_users": users.repeated,
        "videos": len(catalogue),
        "pairs": counts[0],
        "short_users": counts[1],
        "peak_mib": round(peak_bytes() / MIB),
    }


def make_sources(store: Store, settings: Settings, catalogue: Catalogue) -> dict[str, Source]:
    """The sources of the preset, by name, in the order of `candidates.SHARES`."""
    factors = Factors.load(store.trusted(named(ALS, settings)), mmap=True)
    sources: dict[str, Source] = {}
    if PRESETS[settings.preset].watch_time:
        sources["watch_time"] = WatchTime(WatchTimeModel.load(store.trusted(WATCH_TIME)), catalogue)
    return sources | {
        "als": Als(factors, catalogue),
        "popular": popular(catalogue),
        "categories": Categories(catalogue),
        "similar": Similar(factors, catalogue),
        "new": new(catalogue),
    }


def _catalogue(store: Store, settings: Settings, items: str | None) -> Catalogue:
    whole = Catalogue.read(store.table("catalogue"))
    if items is None:
        return whole
    path = Path(items)
    given = _given(path, columns.ITEM_ID, store, settings)
    places = whole.places(given.ids)
    if (places < 0).any():
        raise InputError(
            f"{path}: {_unknown(given.ids[places < 0], len(given.ids), 'videos', given.column)} neither"
            " in the log nor in item_categories",
            "Give ids of videos that are.",
        )
    return whole.only(places)


def _users(store: Store, settings: Settings, given: str | None, *, cold: str) -> Users:
    with pq.ParquetFile(store.table("user_index")) as file:
        table = file.read([columns.USER_ID, columns.USER_INDEX])
    ids, index = (table[name].to_numpy() for name in (columns.USER_ID, columns.USER_INDEX))
    if given is None:
        return Users(ids, index, 0)
    path = Path(given)
    _, asked, repeated = _given(path, columns.USER_ID, store, settings)
    places = np.minimum(np.searchsorted(ids, asked), len(ids) - 1)
    found = np.where(ids[places] == asked, index[places], columns.UNKNOWN_INDEX).astype(np.int32)
    unknown = asked[found < 0]
    if len(unknown) and cold == "error":
        raise InputError(
            f"{path}: {_unknown(unknown, len(asked), 'users', columns.USER_ID)} not in the train period",
            "Leave such users out, or give them popular and new videos with --cold-users popular.",
        )
    return Users(asked, found, repeated)


def _given(path: Path, column: str, store: Store, settings: Settings) -> GivenIds:
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp, [path]) as connection,
    ):
        return read_ids(path, column, connection, folder, settings.threads)


def _unknown(unknown: NDArray[np.int32], asked: int, what: str, column: str) -> str:
    verb = "is" if len(unknown) == 1 else "are"
    return f"{len(unknown):,} of {asked:,} {what} (the first: {column} {unknown[0]}) {verb}"


class _Writer:
    """A Parquet file whose row groups do not depend on how its rows come."""

    def __init__(self, path: Path, columns_of: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, columns_of, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._schema = columns_of

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush(1)
        self._writer.close()

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._flush(ROW_GROUP)

    def _flush(self, least: int) -> None:
        """Write whole row groups, and with a ``least`` of 1 what is left."""
        rows = sum(map(len, self._waiting))
        whole = rows if least == 1 else rows // ROW_GROUP * ROW_GROUP
        if whole:
            table = pa.concat_tables(self._waiting)
            self._writer.write_table(table.slice(0, whole), row_group_size=ROW_GROUP)
            rest = table.slice(whole)
            # A copy: a slice would keep what was written.
            self._waiting = [rest.take(pa.array(np.arange(len(rest))))] if len(rest) else []
