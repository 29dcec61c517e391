"""Makes the seven files of synthetic data from one seed, and on request the true probabilities beside them."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.logs.synthetic import side_tables
from kraft.logs.synthetic.calendar import make_calendar
from kraft.logs.synthetic.daily import daily_features
from kraft.logs.synthetic.interactions import (
    BIG_ROWS_A_USER,
    EXACT_DUPLICATES,
    Meetings,
    big_matrix,
    meetings,
    oracle,
    small_matrix,
)
from kraft.logs.synthetic.listing import begin, end, refuse_others
from kraft.logs.synthetic.population import Floats64, Ints, World, make_world
from kraft.logs.synthetic.real_side_tables import SIDE_TABLES, Sources, read_sources, take
from kraft.logs.synthetic.windows import catalogue_opens, make_habits, make_windows
from kraft.logs.synthetic.writing import Blocks, FileFormat, refuse_mixture, write_blocks

KUAIREC_USERS, KUAIREC_ITEMS = 1_411, 3_327
"""Users and videos of small_matrix."""
BIG_USERS, BIG_ITEMS = 7_176 / KUAIREC_USERS, 10_728 / KUAIREC_ITEMS
"""Users and videos of big_matrix for each one of small_matrix."""
ORACLE = "oracle"
"""File stem of the true probabilities. Always Parquet; no contract of the raw files names it, so no job reads it."""


@dataclass(frozen=True)
class SyntheticSummary:
    """What `synthesize` wrote."""

    folder: Path
    rows: dict[str, int]
    """File stem -> rows, of the files that were made up."""
    taken: tuple[str, ...]
    """File stems of the side tables that were taken as they are."""
    seconds: float


@dataclass(frozen=True)
class _Cast:
    """A world, and who and what of it is in small_matrix."""

    world: World
    categories: list[list[int]]
    small_users: Ints
    """Positions in `world`, ascending, as those of the videos."""
    small_items: Ints

    def appeal(self) -> Floats64:
        """How well each video of small_matrix is watched, mean 0 and standard deviation 1."""
        length = np.log(self.world.duration_ms[self.small_items] / 1000)
        margin = self.world.item_log_time(self.small_items) - length
        scaled: Floats64 = (margin - margin.mean()) / max(float(margin.std()), 1e-9)
        return scaled


Seed = np.random.SeedSequence


def synthesize(
    to: Path,
    *,
    users: int = KUAIREC_USERS,
    items: int = KUAIREC_ITEMS,
    scale: int = 1,
    seed: int = 42,
    file_format: FileFormat = "csv",
    side_tables_from: Path | None = None,
    with_oracle: bool = False,
    with_big: bool = True,
    progress: Progress,
) -> SyntheticSummary:
    """Write synthetic KuaiRec data into the folder ``to``, each file under its name only once it is whole.

    It takes the memory of one block of users at any scale, and 60 bytes a user and video.

    Args:
        to: made if it is not there; synthetic files in it are replaced.
        users: users of small_matrix, before ``scale``.
        items: videos of small_matrix.
        scale: multiplies the users, and so the rows.
        seed: the same seed gives the same bytes.
        file_format: of all seven files.
        side_tables_from: folder with real side tables: they are taken as they are, and only missing ones are made up.
        with_oracle: also write oracle.parquet: user_id, video_id and probability, the true P(watch_ratio >= 1), of
            each row of small_matrix in its order. The other files stay the same bytes.
        with_big: also write big_matrix, nearly three quarters of all rows. The other files stay the same bytes.
        progress: where to report to.

    Raises:
        InputError: a side table is unreadable, or has too few users or videos; or ``to`` holds a file that this run
            would not replace: of the other format or origin (`listing`), an oracle.parquet or a big_matrix.
    """
    started = time.monotonic()
    sources = read_sources(side_tables_from)
    # One source of chance for each thing that is drawn: a given side table does not change the others.
    cast_seed, window_seed, habit_seed, *roots = np.random.SeedSequence(seed).spawn(9)
    cast = _draw_cast(users, items, scale, sources, np.random.default_rng(cast_seed))
    refuse_mixture(to, (*SIDE_TABLES, "small_matrix", "big_matrix"), file_format)
    _refuse_stale(to, with_oracle=with_oracle, with_big=with_big)
    blocks = _blocks(cast, window_seed, habit_seed, roots)
    if not with_big:
        del blocks["big_matrix"]
    if not with_oracle:
        del blocks[ORACLE]
    formats = {stem: "parquet" if stem == ORACLE else file_format for stem in blocks}
    names = [f"{stem}.{formats[stem]}" for stem in blocks]
    refuse_others(to, names, sources.files.values())
    to.mkdir(parents=True, exist_ok=True)
    # Its own file may be the given one.
    names = [name for name in names if not _is_given(to / name, sources)]
    begin(to, names)
    # Before the first new file is there: an interrupted run must not leave the old one beside a new small_matrix.
    (to / f"{ORACLE}.parquet").unlink(missing_ok=True)
    rows = _write(to, names, blocks, formats, sources, progress, _rows_expected(cast, blocks))
    end(to, names)
    return SyntheticSummary(to, rows, tuple(sources.files), time.monotonic() - started)


def _blocks(cast: _Cast, window_seed: Seed, habit_seed: Seed, roots: list[Seed]) -> dict[str, Callable[[], Blocks]]:
    """File stem -> what makes its blocks of rows."""
    generator = np.random.default_rng(window_seed)
    calendar, windows = make_calendar(generator), make_windows(cast.appeal(), generator)
    opens = catalogue_opens(len(cast.categories), cast.small_items, windows, generator)
    habits = make_habits(len(cast.small_users), np.random.default_rng(habit_seed))
    world = cast.world

    def met() -> Iterator[Meetings]:
        return meetings(cast.small_users, cast.small_items, windows, habits, calendar, roots[4])

    return {
        "user_features": lambda: side_tables.user_features(world, roots[0]),
        "item_categories": lambda: side_tables.item_categories(world, cast.categories),
        "kuairec_caption_category": lambda: side_tables.captions(world, cast.categories, roots[1]),
        "social_network": lambda: side_tables.social_network(world, roots[2]),
        "item_daily_features": lambda: daily_features(world, opens, calendar, roots[3]),
        "small_matrix": lambda: small_matrix(world, met()),
        "big_matrix": lambda: big_matrix(world, cast.small_users, cast.small_items, opens, calendar, roots[5]),
        # This draws who meets what once more, about a second at full size. To keep it would take memory that grows
        # with --scale.
        ORACLE: lambda: oracle(world, met()),
    }


def _write(
    to: Path,
    names: Collection[str],
    blocks: Mapping[str, Callable[[], Blocks]],
    formats: Mapping[str, FileFormat],
    sources: Sources,
    progress: Progress,
    expected: int,
) -> dict[str, int]:
    """Write every file, or take the given one; returns the rows of those that were made up, by stem."""
    rows: dict[str, int] = {}
    with progress.task("synthesize", expected, "rows") as task:
        for stem, made in blocks.items():
            task.note(stem)
            if stem in sources.files:
                if f"{stem}.{formats[stem]}" in names:
                    take(sources.files[stem], to, stem, formats[stem])
            else:
                rows[stem] = write_blocks(made(), to, stem, formats[stem], task)
    return rows


def _draw_cast(users: int, items: int, scale: int, sources: Sources, generator: np.random.Generator) -> _Cast:
    n_users = users * scale
    user_ids, item_ids = sources.user_ids, sources.item_ids
    if user_ids is None:
        user_ids = np.arange(max(round(users * BIG_USERS), users) * scale, dtype=np.int32)
    if item_ids is None:
        item_ids = np.arange(max(round(items * BIG_ITEMS), items), dtype=np.int32)
    times = f" x --scale {scale}" if scale > 1 else ""
    for what, asked, there in (
        (f"--users {users:,}{times}", n_users, len(user_ids)),
        (f"--items {items:,}", items, len(item_ids)),
    ):
        if asked > there:
            raise InputError(
                f"{what}: the given side tables know only {there:,}",
                f"Ask for at most {there:,}, or leave --side-tables out.",
            )
    categories = sources.categories or side_tables.draw_categories(len(item_ids), generator)
    small_users = np.sort(generator.choice(len(user_ids), n_users, replace=False)).astype(np.int32)
    small_items = np.sort(generator.choice(len(item_ids), items, replace=False)).astype(np.int32)
    world = make_world(
        user_ids, item_ids, categories, small_users, small_items, generator, lengths_ms=sources.lengths_ms
    )
    return _Cast(world, categories, small_users, small_items)


def _is_given(target: Path, sources: Sources) -> bool:
    given = sources.files.get(target.stem)
    return given is not None and target.exists() and target.samefile(given)


def _refuse_stale(folder: Path, *, with_oracle: bool, with_big: bool) -> None:
    """Refuse an oracle or a big_matrix that this run would not replace: it would not belong to the new small_matrix.

    It is not removed: a run removes only what it writes anew.
    """
    stale = {} if with_oracle else {f"{ORACLE}.parquet": "--with-oracle"}
    stale |= {} if with_big else {f"big_matrix.{suffix}": "--logs both" for suffix in ("csv", "parquet")}
    for name, option in stale.items():
        if (folder / name).exists():
            raise InputError(
                f"{folder / name} is there: beside a new small_matrix it would be stale",
                f"Write it anew with {option}, give another folder with --to, or remove that file.",
            )


def _rows_expected(cast: _Cast, blocks: Collection[str]) -> int:
    """For the progress bar: the two logs, which are nearly all of it, and the oracle."""
    n_users, n_items = len(cast.world.user_ids), len(cast.world.item_ids)
    small = len(cast.small_users) * len(cast.small_items)
    big = BIG_ROWS_A_USER * (1 + EXACT_DUPLICATES) * n_users * n_items / 10_728 if "big_matrix" in blocks else 0
    return round(small * (2 if ORACLE in blocks else 1) + big)
