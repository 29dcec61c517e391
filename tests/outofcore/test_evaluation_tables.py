"""The tables of an evaluation in less memory than their sorts and groups take: the same bytes as in plenty, whether all
scores differ or most of them are one.
"""

import duckdb
import pytest
from spilling import AMPLE, LOOK, Share

from kraft.benchmark.process_monitor import SpillMonitor
from kraft.engine.process.memory import LEAST_LIMIT
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.session import open_session
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.evaluation.evaluator import BASE_TABLES
from kraft.settings import MIB

USERS, VIDEOS = 4_000, 600
SCORES = {
    "all differ": "((hash(user_id, item_id) >> 11) / pow(2, 53))",
    # As popularity and its like score every video without a history.
    "most are one": "if(item_id % 5 > 0, 0.0, (hash(item_id) % 1000) / 1000)",
}
TABLES = (
    "ranked_scores",
    "user_metrics",
    "ranking_metrics",
    "subset_metrics",
    "user_summary",
    "score_auc",
    "user_bins",
    "low_activity_auc",
    "calibration_bins",
    "score_violations",
)
TIGHT = 64
"""DuckDB's share in MiB: an eighth of what it has at a limit of 1 GiB, for a sixth of the pairs that 75 million
interactions leave to evaluate."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """What an evaluation reads, of 2.4 million test pairs: three in ten positive, a tenth of the videos cold."""
    folder = tmp_path_factory.mktemp("world")
    pairs = f"""
        select cast(user_id as integer) as user_id, cast(item_id as integer) as item_id
        from range({USERS}) as users(user_id), range({VIDEOS}) as videos(item_id)"""
    made = {
        "interactions_test": f"select * from ({pairs}) order by all",
        "test_positives": f"select * from ({pairs}) where hash(user_id, item_id, 1) % 10 < 3 order by all",
        "item_index": f"select cast(i as integer) as item_id from range({VIDEOS}) as videos(i) where i % 10 > 0",
        "low_activity_users": f"select cast(4 * i as integer) as user_id from range({USERS // 4}) as users(i)",
    }
    for name, score in SCORES.items():
        made[name] = f"select user_id, item_id, cast({score} as double) as score from ({pairs}) order by all"
    for name, rows in made.items():
        duckdb.execute(f"copy ({rows}) to '{folder / name}.parquet'")
    return folder


def evaluate(world, scores, work, share):
    """Every table's bytes, by its name, and the most that was spilled."""
    inputs = {name: Parquet(world / f"{name}.parquet") for name in (*BASE_TABLES, "low_activity_users")}
    inputs["scores"] = Parquet(world / f"{scores}.parquet")
    store = Store(work)
    with (
        open_session(Share(LEAST_LIMIT, duckdb=share * MIB), 2, store.tmp, world.iterdir()) as connection,
        SpillMonitor(work, every=LOOK) as watch,
    ):
        builder = Builder(connection, store, inputs, {"cutoffs": [10, 50]}, Progress(-1), threads=2)
        return {name: builder.ensure(name).read_bytes() for name in TABLES}, watch.most


@pytest.mark.long
@pytest.mark.parametrize("scores", SCORES)
def test_an_evaluation_that_spills_makes_the_same_bytes(world, tmp_path, scores):
    expected, nothing = evaluate(world, scores, tmp_path / "ample", AMPLE)
    assert nothing == 0
    found, spilled = evaluate(world, scores, tmp_path / "tight", TIGHT)
    assert spilled > 5 * MIB
    assert [name for name in TABLES if found[name] != expected[name]] == []
