"""Real side tables as the frame of synthetic data: their users, videos, categories and lengths.

A table that is there is taken as it is; `synthesize` makes up only the others.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from kraft.engine import frames
from kraft.errors import InputError
from kraft.logs.synthetic.population import N_CATEGORIES, Ints
from kraft.logs.synthetic.writing import FileFormat

SIDE_TABLES = (
    "user_features",
    "item_categories",
    "item_daily_features",
    "social_network",
    "kuairec_caption_category",
)


@dataclass(frozen=True)
class Sources:
    """What the given side tables say; None if none of them does."""

    files: dict[str, Path] = field(default_factory=dict)
    """File stem -> the given file."""
    user_ids: Ints | None = None
    """Ascending ids of user_features."""
    item_ids: Ints | None = None
    """Ascending ids of item_categories; else of the captions; else of the daily features."""
    categories: list[list[int]] | None = None
    """Category ids of each of `item_ids`; from the captions' first level where there is no item_categories."""
    lengths_ms: Ints | None = None
    """Lengths of `item_ids` in the daily features [ms]; 0 where they have none."""


def read_sources(folder: Path | None) -> Sources:
    """The side tables in ``folder``, Parquet before CSV where both are there; nothing for None.

    Raises:
        InputError: there is no such folder, no side table in it, or one cannot be read, lacks a column, has an
            id that is not an integer or, other than the daily features, an id twice.
    """
    if folder is None:
        return Sources()
    if not folder.is_dir():
        raise InputError(f"--side-tables {folder}: no such folder", "Give the folder with KuaiRec's side tables.")
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
    users = _read(files, "user_features", "user_id")
    feats = _read(files, "item_categories", "video_id", "feat")
    captions = _read(files, "kuairec_caption_category", "video_id", "first_level_category_id")
    daily = _read(files, "item_daily_features", "video_id", "video_duration")
    videos = next((frame for frame in (feats, captions, daily) if frame is not None), None)
    item_ids = None if videos is None else videos["video_id"].unique().sort()
    categories = None
    if feats is not None:
        texts = feats["feat"].cast(pl.String).fill_null("").str.extract_all(r"\d+")
        categories = [[int(number) for number in ids] for ids in texts.to_list()]
    elif captions is not None:
        first = captions["first_level_category_id"].cast(pl.Float64, strict=False).fill_null(-1).to_list()
        categories = [[int(number)] if 0 <= number < N_CATEGORIES else [] for number in first]
    return Sources(
        files,
        None if users is None else users["user_id"].to_numpy(),
        None if item_ids is None else item_ids.to_numpy(),
        categories,
        None if daily is None or item_ids is None else _lengths(daily, item_ids),
    )


def take(source: Path, to: Path, stem: str, file_format: FileFormat) -> None:
    """Copy a given side table, byte for byte; converted where the synthetic data is in the other format."""
    target = to / f"{stem}.{file_format}"
    draft = to / f".{target.name}.part"
    try:
        if source.suffix == target.suffix:
            shutil.copyfile(source, draft)
        elif file_format == "parquet":
            frames.read_csv(source, infer_schema_length=None).write_parquet(draft)
        else:
            frames.read_parquet(source).write_csv(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _read(files: dict[str, Path], stem: str, key: str, *columns: str) -> pl.DataFrame | None:
    """``key`` as int32 and ``columns`` of a given table, by ``key``; None if it is not given."""
    if stem not in files:
        return None
    path = files[stem]
    try:
        frame = frames.scan_parquet(path) if path.suffix == ".parquet" else frames.scan_csv(path, infer_schema=False)
        table = frame.select(pl.col(key).cast(pl.Float64).cast(pl.Int32), *columns).sort(key).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        needed = ", ".join((key, *columns))
        raise InputError(f"{path}: {str(error).splitlines()[0]}", f"It needs the columns {needed}.") from None
    ids = table[key]
    if ids.null_count() or (len(ids) and ids[0] < 0):
        raise InputError(f"{path}, column {key}: an id is empty or negative", "Ids are integers from 0.")
    twice = ids.filter(ids.is_duplicated())
    if stem != "item_daily_features" and len(twice):
        raise InputError(f"{path}, column {key}: {twice[0]} occurs twice", "Leave one row for each id.")
    return table


def _lengths(daily: pl.DataFrame, item_ids: pl.Series) -> Ints:
    known = daily.group_by("video_id").agg(
        pl.col("video_duration").cast(pl.Float64, strict=False).fill_nan(None).max().fill_null(0)
    )
    joined = pl.DataFrame({"video_id": item_ids}).join(known, on="video_id", how="left", maintain_order="left")
    lengths: Ints = np.rint(joined["video_duration"].fill_null(0).to_numpy()).astype(np.int32)
    return lengths
