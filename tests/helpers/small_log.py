"""A few hand-sized raw files and the build over them, for tests of the engine."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kraft.columns import ONEHOT_FEATURES
from kraft.logs.contracts import USERS
from kraft.settings import Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.table_records import BuildTables

LOG_HEADER = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"


class Row(NamedTuple):
    """One line of a log, as the contract types it; `time` is never read and left out."""

    user_id: int
    video_id: int
    play_duration: int = 5000
    video_duration: int = 10000
    date: int | None = 20200705
    timestamp: float | None = 1593878903.5
    watch_ratio: float = 0.5


def log_text(rows: Iterable[Row]) -> str:
    """The rows as KuaiRec writes them: floats in full, nothing where a value is missing."""
    lines = [LOG_HEADER]
    for row in rows:
        date = "" if row.date is None else f"{row.date}.0"
        moment = "" if row.timestamp is None else repr(row.timestamp)
        lines.append(
            f"{row.user_id},{row.video_id},{row.play_duration},{row.video_duration},,{date},{moment},{row.watch_ratio!r}"
        )
    return "\n".join(lines) + "\n"


def log_rows(count: int = 60) -> list[Row]:
    """A log of 6 users and 7 videos in which every third interaction is positive and the last five have no time."""
    rows = []
    for number in range(count):
        timed = number < count - 5
        rows.append(
            Row(
                user_id=number % 6,
                video_id=10 + number % 7,
                play_duration=12_000 if number % 3 == 0 else 5_000,
                date=20200705 if timed else None,
                timestamp=1593878903.5 + 600 * number if timed else None,
                watch_ratio=1.2 if number % 3 == 0 else 0.5,
            )
        )
    return rows


def write_raw(folder: Path, rows: Iterable[Row], users: Iterable[int] = range(6)) -> Path:
    """KuaiRec's three files that a build needs, in ``folder``; the log as small_matrix.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small_matrix.csv").write_text(log_text(rows), encoding="utf-8")
    with (folder / "user_features.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, USERS.columns, restval=1)
        writer.writeheader()
        for user in users:
            unknown = {"onehot_feat4": ""} if user == 0 else {}
            codes = {name: float(user % 2) for name in ONEHOT_FEATURES}
            writer.writerow({"user_id": user, "user_active_degree": "full_active", **codes, **unknown})
    videos = "".join(f'{video},"[{video}, 8]"\n' for video in range(10, 17))
    (folder / "item_categories.csv").write_text("video_id,feat\n" + videos, encoding="utf-8")
    return folder


def run_build(raw: Path, work: Path, tables: Iterable[str] = (), **settings: Any) -> dict[str, Any]:
    """The stage `build_tables` in this process, silent, on one thread unless ``settings`` say otherwise.

    Of so few rows any share may be quarantined or left out.
    """
    usual = {"raw": raw, "work": work, "threads": 1, "quiet": True, "preset": "documented"}
    usual |= {"max_bad_rows": 1, "max_left_out": 1}
    chosen = Settings.model_validate(usual | settings)
    return build_tables(BuildTables(settings=chosen, tables=tuple(tables))).model_dump()
