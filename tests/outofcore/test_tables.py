"""A build that has to spill to disk makes the same bytes as one in memory; so do more threads, and Parquet input."""

import threading
from dataclasses import dataclass

import duckdb
import pytest
from small_log import Row, write_raw

from kraft.data.contracts import resolve
from kraft.data.tables import TABLES
from kraft.engine.budget import LEAST_LIMIT, Budget
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.store import Store
from kraft.settings import MIB, Settings

USERS, VIDEOS, ROWS = 2_000, 5_000, 1_000_000
AMPLE, TIGHT = 2048, 96
"""DuckDB's share in MiB: far more than the log needs, and less than sorting it does."""


@dataclass(frozen=True)
class Share(Budget):
    """A budget that gives DuckDB just these bytes."""

    duckdb: int = 0


class SpillWatch(threading.Thread):
    """Notes the most bytes seen in the spill folders below ``parent`` until stopped."""

    def __init__(self, parent):
        super().__init__(daemon=True)
        self.parent, self.most, self.stopping = parent, 0, threading.Event()

    def run(self):
        while not self.stopping.wait(0.005):
            sizes = [path.stat().st_size for path in self._files()]
            self.most = max(self.most, sum(sizes))

    def _files(self):
        return [path for path in self.parent.glob("spill-*/*") if path.exists()]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A log of a million rows in no order at all, with repeats, ties and rows without a time."""
    folder = write_raw(tmp_path_factory.mktemp("raw"), [Row(0, 10)], range(USERS))
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select
                    cast(hash(i) % {USERS} as integer)               as user_id,
                    cast(hash(i, 1) % {VIDEOS} as integer)           as video_id,
                    cast(hash(i, 2) % 20000 as integer)              as play_duration,
                    10000                                            as video_duration,
                    20200705.0                                       as date,
                    if(hash(i, 3) % 25 = 0, null,
                       1593878903.0 + cast(hash(i, 4) % 500000 as integer)) as timestamp,
                    (hash(i, 2) % 20000) / 10000                     as watch_ratio
                from range({ROWS}) as numbers(i)
                order by hash(i, 5)
            ) to '{folder / "small_matrix.csv"}' (format csv)
            """
        )
    return folder


def build(raw, work, share=AMPLE, threads=1):
    """Every table's bytes, by its name, and the most that was spilled."""
    inputs, _ = resolve(raw, "small")
    store = Store(work)
    with (
        open_session(Share(LEAST_LIMIT, duckdb=share * MIB), threads, store.tmp) as connection,
        SpillWatch(store.tmp) as watch,
    ):
        values = {**Settings().model_dump(), "memory_limit": share * MIB}
        builder = Builder(connection, store, inputs, values, Progress(-1), threads=threads)
        for name in TABLES:
            builder.ensure(name)
        assert list(store.manifest()) == sorted(TABLES)
    return {name: store.table(name).read_bytes() for name in TABLES}, watch.most


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
