"""The pipeline on a standalone cluster of two workers, against the single machine."""

import shutil
import threading
import time

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from commands import run
from same_tables import assert_same_tables

from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.errors import MachineError
from kraft.pipeline.pipeline import Pipeline
from kraft.pipeline.recommend import Request, recommend
from kraft.settings import Settings
from kraft.spark import scoring
from kraft.spark import session as session_module
from kraft.spark.errors import asked
from kraft.spark.session import spark_session, stop
from kraft.stages.build_tables import build_tables
from kraft.stages.evaluate import evaluate_scores
from kraft.stages.given_pairs import write_features
from kraft.stages.rank_lists import rank_lists
from kraft.stages.score import score_table
from kraft.stages.train_ranker import TrainRanker, train_ranker

pytestmark = pytest.mark.long

USERS, ITEMS = 200, 500
PAIRS = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data, evaluated and with lists on the single machine in `alone`."""
    folder = tmp_path_factory.mktemp("engines")
    made = run("synthesize", "--to", "raw", "--users", USERS, "--items", ITEMS, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    with Pipeline(alone(folder)) as pipeline:
        pipeline.evaluate(baselines=False)
        (folder / "alone.json").write_text(pl.Series([_metrics(pipeline)]).to_frame().write_json())
    return folder


def alone(folder, work="alone"):
    return Settings(raw=folder / "raw", work=folder / work, threads=2, quiet=True)


def together(folder, cluster):
    return alone(folder, "together").model_copy(update={"engine": "spark", "master": cluster.master})


def _metrics(pipeline):
    ranking = pipeline.results.get(evaluate_scores).result.report["score_sets"][0]["estimates"]
    return {name: ranking[name]["value"] for name in ("ndcg@10", "auc", "auc warm items", "auc cold items")}


@pytest.fixture(scope="module")
def done(folder, cluster):
    """What the stages told that ran on the cluster, and the metrics of both engines."""
    with Pipeline(together(folder, cluster)) as pipeline:
        pipeline.evaluate(baselines=False)
        metrics = _metrics(pipeline)
    (expected,) = pl.read_json(folder / "alone.json")[:, 0].to_list()
    return pipeline.results, metrics, expected


def test_tables_are_those_of_the_single_machine(folder, done):
    results, *_ = done
    assert results.get(build_tables).result.reused == []
    for part in ("", "fit"):
        expected = Store(folder / "alone" / part)
        names = [name for name in expected.manifest() if expected.table(name).exists() and name != "scores_kraft"]
        assert len(names) > 10
        for name in names:
            assert_same_tables(Store(folder / "together" / part).table(name), expected.table(name))


def test_ranking_is_as_good(done):
    _, found, expected = done
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.01), name


def test_each_worker_is_a_rank_of_the_ranker(done):
    results, *_ = done
    assert results.get(train_ranker).result.ranks == 2


def parameters_of(text):
    return dict(line[1:-1].split(": ", 1) for line in text if line.startswith("[") and ": " in line)


@pytest.mark.usefixtures("done")
def test_model_is_the_text_that_the_single_machine_writes(folder):
    first, second = (
        (folder / work / "models" / "ranker_kraft" / "ranker.txt").read_text().splitlines()
        for work in ("alone", "together")
    )
    own = {"feature_pre_filter": "0", "num_threads": "1"}
    assert parameters_of(second) == parameters_of(first) | own
    assert [line for line in second if line.startswith("feature_names")] == [
        line for line in first if line.startswith("feature_names")
    ]


@pytest.mark.usefixtures("done")
def test_either_engine_scores_with_the_others_model_alike(folder, cluster, tmp_path):
    session = spark_session(cluster.master)
    store = Store(folder / "alone")
    users = pl.read_parquet(store.table("user_index"), columns=["user_id"])
    videos = pl.read_parquet(store.table("item_features"), columns=["item_id"])
    pairs = users.join(videos, how="cross").cast(pl.Int32).sort("user_id", "item_id").head(PAIRS)
    with store.scratch() as scratch:
        pairs.write_parquet(scratch / "pairs.parquet")
        features = write_features(scratch / "pairs.parquet", store, alone(folder), scratch).rename(
            tmp_path / "features"
        )
    for work in ("alone", "together"):
        store, one, other = Store(folder / work), tmp_path / f"{work}-alone", tmp_path / f"{work}-together"
        assert score_table(alone(folder), store, features, one, Progress(-1)) == PAIRS
        assert scoring.score_table(session, alone(folder), store, features, other, Progress(-1)) == PAIRS
        one, other = pq.read_table(one), pq.read_table(other)
        for name in ("user_id", "item_id"):
            assert one[name].equals(other[name])
        assert np.abs(one["score"].to_numpy() - other["score"].to_numpy()).max() == 0


@pytest.mark.usefixtures("done")
def test_lists_are_those_of_the_single_machine(folder, cluster, tmp_path):
    found = []
    for engine, settings in (("duckdb", alone(folder, "together")), ("spark", together(folder, cluster))):
        with Pipeline(settings) as pipeline:
            recommend(pipeline, Request(candidates=100, diversity=0.3), tmp_path / f"{engine}.parquet")
        found.append(pl.read_parquet(tmp_path / f"{engine}.parquet"))
        assert pipeline.results.get(rank_lists).result.users == USERS
        assert "ranker_kraft" in pipeline.reused
    assert found[0].equals(found[1])


@pytest.mark.usefixtures("done")
def test_command_goes_on_from_what_is_there(folder, cluster):
    # An application has the whole cluster.
    stop()
    shown = run(
        "score",
        *("--raw", "raw", "--work", "together", "--engine", "spark", "--master", cluster.master),
        *("--out", "scores.csv"),
        cwd=folder,
    )
    assert shown.returncode == 0, shown.stderr
    assert "reused" in shown.stdout
    assert len((folder / "scores.csv").read_text().splitlines()) == 1 + len(
        pl.read_parquet(folder / "together" / "tables" / "scores_kraft.parquet")
    )


def test_worker_killed_while_the_ranker_learns(folder, cluster, done):
    work = folder / "together"
    shutil.rmtree(work / "models" / "ranker_kraft")
    tracker = spark_session(cluster.master).sparkContext.statusTracker()
    killed = []

    def kill():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for stage in tracker.getActiveStageIds():
                told = tracker.getStageInfo(stage)
                if told and told.numActiveTasks == 2:
                    cluster.kill("worker-1")
                    killed.append(stage)
                    return
            time.sleep(0.01)

    with Pipeline(together(folder, cluster)) as pipeline:
        killer = threading.Thread(target=kill)
        pipeline.build()
        killer.start()
        made = pipeline.run(train_ranker, TrainRanker(settings=pipeline.settings))
        killer.join()
    assert killed
    assert made.ranks == 1
    results, *_ = done
    assert made.validation_auc == pytest.approx(results.get(train_ranker).result.validation_auc, abs=0.01)
    assert list((work / "tmp").iterdir()) == []


def test_job_ends_where_no_worker_is_left(cluster, monkeypatch):
    stop()
    cluster.restore()
    numbers = spark_session(cluster.master).range(1000)
    for name in cluster.workers:
        cluster.kill(name)
    # Only for this wait: a worker may well take longer to start.
    with monkeypatch.context() as impatient:
        impatient.setattr(session_module, "WORKER_SECONDS", 3)
        with pytest.raises(MachineError, match="counting failed: no worker of the cluster is left"):
            asked("counting failed", numbers.count)
    # Where one comes back, work goes on.
    cluster.restore()
    assert asked("counting failed", numbers.count) == 1000
