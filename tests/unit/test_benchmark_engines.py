"""`kraft.benchmark.engines` and `process_monitor`: what is made of two engines' figures, and both of them for real."""

import importlib.util
import shutil
import subprocess
import sys

import pytest

from kraft.benchmark import engines, measure_process
from kraft.benchmark.engines import Plan
from kraft.benchmark.process_monitor import ProcessMonitor
from kraft.benchmark.setup import Setup
from kraft.engine.process.progress import QUIET, Progress
from kraft.errors import InputError
from kraft.logs.synthetic import synthesize

MIB = 1024**2
HAS_SPARK = all(map(importlib.util.find_spec, ("pyspark", "sqlglot"))) and shutil.which("java") is not None
PLAN = Plan("local[2]")
HOLDS = "block = b'x' * (200 * 1024**2); import time; time.sleep(1.5)"


def run_of(seconds, auc, ndcg=0.9, **peaks):
    stages = {"session": {"seconds": 8.0}, "build": {"seconds": seconds}, "evaluate": {"seconds": 1.0}}
    metrics = {"ndcg@10": ndcg, "auc": auc, "auc warm items": 0.8, "auc cold items": 0.7}
    return {"stages": stages, "all": {"seconds": seconds + 1.0, **peaks}, "metrics": metrics}


def row_of(seconds):
    return {"seconds": seconds, "session_seconds": seconds - 3.0, "row_seconds": 2.0}


@pytest.mark.parametrize(
    ("auc", "ndcg", "passed"), [(0.815, 0.9, True), (0.819, 0.909, True), (0.799, 0.9, False), (0.81, 0.911, False)]
)
def test_engines_have_to_rank_alike(auc, ndcg, passed):
    runs = {"duckdb": [run_of(10.0, 0.81)], "spark": [run_of(43.0, auc, ndcg)]}
    assert engines.report(runs, [row_of(11.0)], PLAN).passed is passed


def test_every_figure_of_two_engines_is_told():
    ours = [run_of(9.0, 0.81, python_mib=500.0, together_mib=700.0), run_of(19.0, 0.81, python_mib=600.0)]
    theirs = [run_of(39.0, 0.81, java_mib=1500.0, python_mib=400.0), run_of(99.0, 0.81, java_mib=1400.0)]
    found = engines.report({"duckdb": ours, "spark": theirs}, [row_of(11.0), row_of(13.0)], PLAN)

    # Of 40 / 10 and 100 / 20.
    assert found.headline == "engines  duckdb 15.0 s, spark 70.0 s: 4.5 times; Spark takes 12.0 s for one row"
    seconds, peaks, metrics, row, _ = found.tables
    assert seconds.rows[0] == ("session", "-", 8.0, "-")
    assert [line[0] for line in seconds.rows] == ["session", "build", "evaluate", "all"]
    assert [line[1:] for line in peaks.rows] == [("600", "400"), ("-", "1,500"), ("700", "-")]
    assert metrics.rows[1] == ("auc", "0.8100", "0.8100", "+0.0000")
    assert [line[1] for line in row.rows] == [12.0, 9.0, 2.0]
    assert found.as_json()["overhead"]["seconds"] == 12.0


def test_javas_heap_is_the_users_where_they_say_it(monkeypatch):
    plan = Plan("local[*]", 3072 * MIB)
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    assert plan.variables() == {"PYSPARK_SUBMIT_ARGS": "--driver-memory 3072m pyspark-shell"}
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--driver-memory 8g pyspark-shell")
    assert plan.variables() == {}


def test_what_spark_needs_is_asked_for_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "need_spark", lambda master: (_ for _ in ()).throw(InputError(f"no {master}")))
    setup = Setup(tmp_path / "raw", tmp_path / "work", 1024 * MIB, 2, Progress(QUIET))
    with pytest.raises(InputError, match=r"^no spark://nowhere$"):
        engines.run(setup, Plan("spark://nowhere", 1024 * MIB))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_processes_that_nobody_waits_for_are_monitored(tmp_path):
    left = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-S', '-c', {HOLDS!r}]); time.sleep(1.5)"
    run = measure_process.measure([sys.executable, "-S", "-c", left], threads=1, folder=tmp_path, monitor=True)
    (largest,) = run.monitor.largest.values()
    assert run.peak_bytes < 100 * MIB
    assert 200 * MIB <= largest < 240 * MIB
    assert run.monitor.together > largest


def test_processes_of_others_are_not_monitored():
    monitor = ProcessMonitor(2**30)
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        monitor.look()
        process.communicate(b"\n")
    assert (monitor.largest, monitor.together) == ({}, 0)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not HAS_SPARK, reason="needs the extra [spark], and Java")
def test_engines_run_by_turns(tmp_path):
    synthesize(tmp_path / "raw", users=60, items=150, progress=Progress(QUIET))
    (tmp_path / "work").mkdir()
    setup = Setup(tmp_path / "raw", tmp_path / "work", 1024 * MIB, 2, Progress(QUIET))
    found = engines.run(setup, Plan("local[2]", 1024 * MIB, "documented", repeats=1, rounds=5))
    (duckdb,), (spark,) = (found.data["runs"][engine] for engine in engines.ENGINES)
    assert list(duckdb["stages"])[:-1] == ["build", "als", "ranker", "score", "evaluate"]
    assert spark["stages"].keys() == duckdb["stages"].keys()
    assert spark["stages"]["session"]["seconds"] > duckdb["stages"]["session"]["seconds"] == 0
    assert spark["all"]["java_mib"] > 200
    assert "java_mib" not in duckdb["all"]
    assert found.data["one_row"][0]["seconds"] > found.data["one_row"][0]["session_seconds"]
    assert list((tmp_path / "work").iterdir()) == []
