"""A build that has to spill to disk makes the same bytes as one in memory; so do more threads, Parquet input, and raw
files with their rows in another order.
"""

import random

import duckdb
import pytest
from small_log import Row, write_raw
from spilling import AMPLE, LOOK, Share

from kraft.benchmark.process_monitor import SpillMonitor
from kraft.engine.process.memory import LEAST_LIMIT
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.session import open_session
from kraft.engine.workspace.store import Store
from kraft.logs.contracts import resolve
from kraft.settings import MIB, Settings
from kraft.stages.preset import PRESETS

USERS, VIDEOS, ROWS = 2_000, 5_000, 1_000_000
DAYS = 8
NAMES = list(dict.fromkeys(name for preset in PRESETS.values() for name in preset.tables))
"""The tables of every preset."""
TIGHT = 100
"""DuckDB's share in MiB: less than sorting the log takes, and less than the 144 that DuckDB has at the least limit."""


OPTIONAL_ROWS = {
    # Up to five categories a video, some of them twice.
    "item_categories": f"""
        select
            video as video_id,
            '[' || array_to_string([hash(video, n) % 30 for n in range(1 + video % 5)], ', ') || ']' as feat
        from range({VIDEOS}) as videos(video)""",
    # Two tags of every third video, a day each; one video in eight has no counts, one in nine no length.
    "item_daily_features": f"""
        select
            video as video_id, 20200701 + day as date, hash(video, 1) % 3000 as author_id, 'NORMAL' as video_type,
            '2020-06-' || (10 + hash(video, 2) % 20) as upload_dt, 'Type' || hash(video, 3) % 6 as upload_type,
            hash(video, tag) % 400 as video_tag_id,
            if(video % 9 = 0, null, 1000 + hash(video) % 60000) as video_duration,
            hash(video, day, 1) % 1000 as show_cnt, hash(video, day, 2) % 500 as play_cnt,
            hash(video, day, 3) % 5000000 as play_duration, hash(video, day, 4) % 300 as complete_play_cnt,
            hash(video, day, 5) % 90 as long_time_play_cnt, hash(video, day, 6) % 80 as short_time_play_cnt,
            hash(video, day, 7) % 70 as like_cnt, hash(video, day, 8) % 1000003 / 1000003 as play_progress
        from range({VIDEOS}) as videos(video), range({DAYS}) as days(day), range(2) as tags(tag)
        where video % 8 > 0 and (tag = 0 or video % 3 = 0)""",
    "social_network": f"""
        select
            person as user_id,
            '[' || array_to_string([hash(person, n) % 4000 for n in range(1 + person % 5)], ', ') || ']' as friend_list
        from range(0, {USERS}, 3) as people(person)""",
    "kuairec_caption_category": f"""
        select
            video as video_id, 'text' as caption, '[]' as topic_tag, hash(video, 1) % 40 as first_level_category_id,
            if(video % 3 = 0, -124, 100 + hash(video, 2) % 99) as second_level_category_id,
            if(video % 3 < 2, -124, 1000 + hash(video, 3) % 999) as third_level_category_id
        from range({VIDEOS}) as videos(video)""",
}
"""Raw files beside the log, as DuckDB makes their rows."""


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A log of a million rows in no order at all, with repeats, ties and rows without a time, and all other files."""
    folder = write_raw(tmp_path_factory.mktemp("raw"), [Row(0, 10)], range(USERS))
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select
                    cast(hash(i) % {USERS} as integer)               as user_id,
                    cast(hash(i, 1) % {VIDEOS} as integer)           as video_id,
                    cast(hash(i, 2) % 20000 as integer)              as play_duration,
                    cast(5000 + 1000 * (hash(i, 1) % {VIDEOS} % 30) as integer) as video_duration,
                    20200701.0 + cast(hash(i, 4) % 500000 // 86400 as integer) as date,
                    if(hash(i, 3) % 25 = 0, null,
                       1593878903.0 + cast(hash(i, 4) % 500000 as integer)) as timestamp,
                    play_duration / video_duration                   as watch_ratio
                from range({ROWS}) as numbers(i)
                order by hash(i, 5)
            ) to '{folder / "small_matrix.csv"}' (format csv)
            """
        )
        for name, rows in OPTIONAL_ROWS.items():
            connection.execute(f"copy ({rows}) to '{folder / name}.csv' (format csv)")
    return folder


def build(raw, work, share=AMPLE, threads=1):
    """Every table's bytes, by its name, and the most that was spilled."""
    inputs, extras = resolve(raw, "small")
    store = Store(work)
    with (
        open_session(Share(LEAST_LIMIT, duckdb=share * MIB), threads, store.tmp, raw.iterdir()) as connection,
        SpillMonitor(work, every=LOOK) as watch,
    ):
        values = {**Settings().model_dump(), "memory_limit": share * MIB, "held_out_share": 0.1}
        builder = Builder(connection, store, {**inputs, **extras}, values, Progress(-1), threads=threads)
        for name in NAMES:
            builder.ensure(name)
        assert list(store.manifest()) == sorted(NAMES)
        # Equal bytes of tables without rows would say nothing.
        assert min(facts["rows"] for facts in builder.built.values()) > 0
    return {name: store.table(name).read_bytes() for name in NAMES}, watch.most


@pytest.fixture(scope="module")
def in_memory(raw, tmp_path_factory):
    tables, spilled = build(raw, tmp_path_factory.mktemp("memory"))
    assert spilled == 0
    return tables


def differing(one, other):
    return [name for name in one if one[name] != other[name]]


def test_spilled_build_makes_the_same_bytes(raw, in_memory, tmp_path):
    tables, spilled = build(raw, tmp_path, share=TIGHT)
    assert spilled > 5 * MIB
    assert differing(in_memory, tables) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_threads_make_the_same_bytes(raw, in_memory, tmp_path):
    tables, _ = build(raw, tmp_path, threads=2)
    assert differing(in_memory, tables) == []


def test_parquet_input_makes_the_same_bytes(raw, in_memory, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in raw.iterdir():
        duckdb.execute(f"copy (from '{path}') to '{folder / path.stem}.parquet'")
    tables, _ = build(folder, tmp_path / "work")
    assert differing(in_memory, tables) == []


@pytest.mark.long
def test_raw_rows_in_another_order_make_the_same_bytes(raw, in_memory, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in raw.iterdir():
        header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        random.Random(0).shuffle(lines)
        (folder / path.name).write_text(header + "".join(lines), encoding="utf-8")
    tables, _ = build(folder, tmp_path / "work", threads=2)
    assert differing(in_memory, tables) == []
