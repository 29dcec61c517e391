"""Makes the seven files of a twin from one seed."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kraft.data.twin import side_tables
from kraft.data.twin.calendar import make_calendar
from kraft.data.twin.interactions import (
    BIG_BLOCK_USERS,
    SMALL_BLOCK_USERS,
    big_matrix,
    make_windows,
    small_matrix,
)
from kraft.data.twin.world import make_world
from kraft.data.twin.writing import FileFormat, write_blocks
from kraft.engine.progress import Progress
from kraft.errors import InputError

KUAIREC_USERS, KUAIREC_ITEMS = 1_411, 3_327
"""Users and videos of small_matrix."""
BIG_USERS, BIG_ITEMS = 7_176 / KUAIREC_USERS, 10_728 / KUAIREC_ITEMS
"""Users and videos of big_matrix for each one of small_matrix."""
SIDE_TABLES = (
    "user_features",
    "item_categories",
    "item_daily_features",
    "social_network",
    "kuairec_caption_category",
)


@dataclass(frozen=True)
class TwinSummary:
    """What `synthesize` wrote."""

    folder: Path
    rows: dict[str, int]
    """File stem -> rows; a side table that was taken as it is has -1."""
    seconds: float


@dataclass(frozen=True)
class _Sources:
    """Side tables that the user gave."""

    files: dict[str, Path]
    users: int | None
    categories: list[list[int]] | None


def synthesize(
    to: Path,
    *,
    users: int = KUAIREC_USERS,
    items: int = KUAIREC_ITEMS,
    scale: int = 1,
    seed: int = 42,
    file_format: FileFormat = "csv",
    side_tables_from: Path | None = None,
    progress: Progress,
) -> TwinSummary:
    """Write a twin of KuaiRec into the folder ``to``.

    Args:
        users: users of small_matrix, before ``scale``.
        items: videos of small_matrix.
        scale: multiplies the users, and so the rows.
        seed: the same seed gives the same bytes.
        file_format: of all seven files.
        side_tables_from: folder with real side tables (any of them): taken as they are, with their users,
            videos and categories; only what is missing is made up.
        progress: where to report to.

    Raises:
        InputError: a side table is unreadable, or has fewer users or videos than are asked for.

    Memory is that of one block of users, whatever the scale, beside 60 bytes a user and item.
    """
    started = time.monotonic()
    n_users, n_items = users * scale, items
    sources = _read_sources(side_tables_from)
    roots = np.random.SeedSequence(seed).spawn(7)
    chance = [np.random.default_rng(root) for root in roots[:4]]
    n_big_users = sources.users or max(round(users * BIG_USERS), users) * scale
    categories = sources.categories or side_tables.draw_categories(max(round(items * BIG_ITEMS), items), chance[0])
    for what, asked, there in (("users", n_users, n_big_users), ("items", n_items, len(categories))):
        if asked > there:
            raise InputError(
                f"--{what} {asked:,}: the side tables in {side_tables_from} know only {there:,}",
                f"Ask for at most {there:,}.",
            )
    world = make_world(n_big_users, categories, chance[1])
    small_users = np.sort(chance[2].choice(n_big_users, n_users, replace=False)).astype(np.int32)
    small_items = np.sort(chance[2].choice(len(categories), n_items, replace=False)).astype(np.int32)
    calendar, windows = make_calendar(chance[2]), make_windows(n_items, chance[2])
    to.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Callable[[], Iterator[pl.DataFrame]]] = {
        "user_features": lambda: iter([side_tables.user_features(n_big_users, chance[3])]),
        "item_categories": lambda: iter([side_tables.item_categories(categories)]),
        "kuairec_caption_category": lambda: iter([side_tables.captions(categories, chance[3])]),
        "social_network": lambda: iter([side_tables.social_network(n_big_users, chance[3])]),
        "item_daily_features": lambda: side_tables.daily_features(
            world, _spawn(roots[4], len(categories), side_tables.DAILY_BLOCK_VIDEOS)
        ),
        "small_matrix": lambda: small_matrix(
            world, small_users, small_items, windows, calendar, _spawn(roots[5], n_users, SMALL_BLOCK_USERS)
        ),
        "big_matrix": lambda: big_matrix(
            world,
            n_big_users,
            small_users,
            small_items,
            calendar,
            _spawn(roots[6], n_big_users, BIG_BLOCK_USERS),
        ),
    }
    rows: dict[str, int] = {}
    with progress.task("synthesize", None, "rows") as task:
        for stem, blocks in tables.items():
            task.note(stem)
            if stem in sources.files:
                _take(sources.files[stem], to, stem, file_format)
                rows[stem] = -1
            else:
                rows[stem] = write_blocks(blocks(), to, stem, file_format, task)
    return TwinSummary(to, rows, time.monotonic() - started)


def _spawn(root: np.random.SeedSequence, count: int, block: int) -> list[np.random.SeedSequence]:
    return root.spawn(-(-count // block))


def _read_sources(folder: Path | None) -> _Sources:
    if folder is None:
        return _Sources({}, None, None)
    if not folder.is_dir():
        raise InputError(f"--side-tables {folder}: no such folder")
    files = {
        stem: path
        for stem in SIDE_TABLES
        for kind in ("csv", "parquet")
        if (path := folder / f"{stem}.{kind}").is_file()
    }
    if not files:
        raise InputError(
            f"--side-tables {folder}: none of KuaiRec's side tables is there",
            f"Put any of these there, as .csv or .parquet: {', '.join(SIDE_TABLES)}.",
        )
    users = len(_dense_ids(files["user_features"], "user_id")) if "user_features" in files else None
    categories = None
    if "item_categories" in files:
        frame = _dense_ids(files["item_categories"], "video_id")
        texts = frame["feat"].cast(pl.String).fill_null("").str.extract_all(r"\d+")
        categories = [[int(number) for number in ids] for ids in texts.to_list()]
    return _Sources(files, users, categories)


def _dense_ids(path: Path, key: str) -> pl.DataFrame:
    """The table sorted by ``key``, whose values must be 0, 1, 2, ...: KuaiRec's are."""
    try:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
        ids = frame[key].cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}") from None
    frame = frame.with_columns(ids.alias(key)).sort(key)
    if frame[key].to_list() != list(range(len(frame))):
        raise InputError(f"{path}, column {key}: ids must be 0 to {len(frame) - 1:,}, each once")
    return frame


def _take(source: Path, to: Path, stem: str, file_format: FileFormat) -> None:
    """Copy a given side table; converted, as text, where the twin is in the other format."""
    draft = to / f".{stem}.{file_format}.part"
    if source.suffix == f".{file_format}":
        shutil.copyfile(source, draft)
    elif file_format == "parquet":
        pl.read_csv(source, infer_schema=False).write_parquet(draft)
    else:
        pl.read_parquet(source).write_csv(draft)
    draft.replace(to / f"{stem}.{file_format}")


def make_stage(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`synthesize` as a stage: its arguments as JSON, `verbosity` instead of `progress`."""
    options = dict(arguments)
    progress = Progress(options.pop("verbosity"))
    given = options.pop("side_tables_from", None)
    summary = synthesize(
        Path(options.pop("to")), **options, side_tables_from=Path(given) if given else None, progress=progress
    )
    return {"rows": summary.rows, "seconds": summary.seconds}
