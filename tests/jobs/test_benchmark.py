"""`python -m jobs.benchmark` for real, on synthetic data of 60 people and 150 videos."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from jobs import benchmark
from kraft.benchmark import peers, results
from kraft.benchmark.measure_process import environment, measure
from kraft.benchmark.parity import compare
from kraft.benchmark.runner import module
from kraft.benchmark.setup import Setup
from kraft.columns import CATEGORICAL_FEATURES, ranker_features
from kraft.engine.process.progress import QUIET, Progress
from kraft.engine.workspace.store import Store
from kraft.logs.synthetic import synthesize
from kraft.models.als.factors import Factors
from kraft.models.features.documented import FeatureRows
from kraft.settings import MIB

pytestmark = pytest.mark.slow

LIMIT = "1GiB"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    synthesize(folder, users=60, items=150, progress=Progress(QUIET))
    return folder


@pytest.fixture(scope="module")
def store(raw, tmp_path_factory):
    """KRAFT's side, with the solver that gives implicit's own bits."""
    work = tmp_path_factory.mktemp("work")
    options = ("--raw", raw, "--work", work, "--preset", "documented", "--als-solver", "implicit", "--quiet")
    job = module("jobs.train", "--only-als", *options)
    measure(job, threads=2, folder=work)
    return Store(work)


@pytest.fixture(scope="module")
def baseline():
    pytest.importorskip("pandas", reason="needs the extra [bench]")
    return importlib.import_module("kraft.benchmark.pandas_baseline")


@pytest.fixture(scope="module")
def answer(baseline, raw, tmp_path_factory):
    out = tmp_path_factory.mktemp("baseline")
    with threadpool_limits(1, "blas"):
        return out, baseline.run(raw, out, "small", 2)


def call(folder, *arguments, variables=None):
    return subprocess.run(
        module("jobs.benchmark", *arguments),
        cwd=folder,
        env=environment(2) | (variables or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_baseline_writes_the_tables_and_factors_that_kraft_writes(store, answer):
    checks = compare(store, *answer)

    assert [one for one in checks if one.verdict != "met"] == []
    assert len(checks) == 13


def test_the_baselines_factors_are_bit_by_bit_those_of_krafts_sparse_solver(store, answer):
    factors = Factors.load(store.model("als_documented"))

    for side in ("user", "item"):
        np.testing.assert_array_equal(getattr(factors, side), np.load(answer[0] / f"{side}_factors.npy"))


def test_the_baselines_features_are_krafts(store, baseline, raw, tmp_path):
    log, videos = baseline.read_log(raw, "small"), baseline.read_videos(raw)
    train, test = baseline.split(log)
    with threadpool_limits(1, "blas"):
        fitted = baseline.fit(tmp_path, train, 2)
    counts = (baseline.counts(train, side) for side in ("user", "item"))
    tables = [baseline.read(raw, "user_features"), videos[["item_id", "num_categories"]], *fitted, *counts]
    factors = Factors.load(store.model("als_documented"))
    for name, part in (("ranker_train", train), ("ranker_test", test)):
        pairs = part.sort_values(["user_id", "item_id"])[["user_id", "item_id"]]
        theirs = baseline.features(pairs, tables)
        assert tuple(theirs.columns) == ranker_features(64)
        order = pl.read_parquet(store.table(name)).with_row_index().sort("user_id", "item_id")["index"].to_numpy()
        with FeatureRows(store.table(name), factors.user, factors.item) as rows:
            ours = rows.take(np.arange(len(rows)))[order]
        for place, column in enumerate(theirs.columns):
            if column in CATEGORICAL_FEATURES:
                # Codes differ where nothing is missing: KRAFT keeps 0 for it. The classes have to be the same.
                codes = np.unique(np.stack([ours[:, place], theirs[column].cat.codes]), axis=1)
                assert len(set(codes[0])) == len(set(codes[1])) == codes.shape[1], column
            else:
                np.testing.assert_array_equal(ours[:, place], theirs[column].to_numpy(np.float32), err_msg=column)


@pytest.mark.usefixtures("baseline")
def test_peers_go_from_raw_files_to_metrics_by_turns(raw, tmp_path):
    report = peers.run(Setup(raw, tmp_path, 1024 * MIB, 2, Progress(QUIET)), peers.Plan(repeats=1, rounds=5))

    theirs, documented, kraft = (report.data["runs"][side][0] for side in peers.SIDES)
    assert theirs["answer"]["train"][1] == 157
    assert max(theirs["trees"], documented["trees"]) <= 5 < kraft["trees"]
    for name in peers.SHOWN:
        # The same pairs and the same counting; validation rows are drawn from other orders, so trees differ a little.
        assert documented["metrics"][name] == pytest.approx(theirs["metrics"][name], abs=0.06), name
    assert kraft["metrics"]["AUC"] > documented["metrics"]["AUC"]
    for one in (theirs, documented, kraft):
        assert one["all"]["seconds"] == pytest.approx(sum(one[part]["seconds"] for part in peers.COMMANDS), rel=0.01)
    verdicts = {row[0]: row[-1] for row in report.tables[-1].rows}
    assert verdicts["peak of documented [MiB]"] == "met"
    assert len(report.data["parity"]) == 13
    assert {one.verdict for one in report.data["parity"]} == {"met"}
    # On data this small every process of KRAFT takes longer to start than pandas to be done.
    assert verdicts["build + ALS: times faster"] == "NOT MET"
    assert not report.passed


def test_a_table_that_differs_is_found(store, answer, tmp_path):
    out, told = answer
    for file in out.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    positives = pl.read_parquet(out / "test_positives.parquet")
    positives.with_columns(pl.col("item_id") + 1).write_parquet(tmp_path / "test_positives.parquet")
    np.save(tmp_path / "user_factors.npy", np.zeros((60, 64), np.float32))

    differing = [one.what for one in compare(store, tmp_path, told) if one.verdict != "met"]
    assert differing[0] == "test_positives, rows that differ"
    assert differing[1].startswith("preferences")


@pytest.mark.usefixtures("baseline")
def test_preparation(raw, tmp_path):
    done = call(tmp_path, "preparation", "--raw", str(raw), "--repeats", "1", "--threads", "1")

    assert "preparation  " in done.stdout, done.stderr
    found = json.loads((tmp_path / "work" / "benchmark-preparation.json").read_text())
    kraft, pandas = (found["runs"][side][0] for side in ("documented", "plain pandas"))
    # As the job prints it, to a tenth of a second, which here is more than it takes.
    assert 0 <= kraft["stages"]["ALS"] < kraft["stages"]["the whole job"]
    assert found["ratios"]["documented"]["all"].keys() == {"seconds", "cpu_seconds", "peak_mib"}
    assert found["ratios"]["documented"]["all"]["seconds"] == pytest.approx(pandas["seconds"] / kraft["seconds"])
    assert pandas["stages"]["ALS"] > 0
    assert len(found["parity"]) == 13
    assert {verdict for *_, verdict in found["parity"]} == {"met"}
    assert found["machine"]["cores"] >= 1
    assert done.returncode == (0 if found["passed"] else 1)
    # Every figure is in one place or the other: nothing is left in the folder of the runs.
    assert list((tmp_path / "work" / "benchmark").iterdir()) == []


def test_preparation_without_pandas_says_what_to_install(raw, tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.metadata as metadata\n"
        "real = metadata.version\n"
        "metadata.version = lambda name: real('no such package' if name == 'pandas' else name)\n"
    )
    path = os.pathsep.join([str(hidden), environment(1)["PYTHONPATH"]])
    done = call(tmp_path, "preparation", "--raw", str(raw), variables={"PYTHONPATH": path})

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: this benchmark needs pandas<4,>=3.0 (not installed)",
        "       Install what it needs: pip install -e '.[bench]'",
    ]


def test_limit(raw, tmp_path):
    done = call(tmp_path, "limit", "--raw", str(raw), "--limits", "512MiB,1GiB", "--until", "als", "--out", "l.json")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("limit  held 2 of 2; the same results\n")
    runs = json.loads((tmp_path / "l.json").read_text())["runs"]
    assert [run["limit"] for run in runs] == [512 * 1024**2, 1024**3]
    assert all(run["verdict"] == "held" for run in runs)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["limit", "--limits", "512MiB,much"], "'much' is not a size"),
        (["limit", "--limits", "1MiB"], "less than the libraries"),
        (["nothing"], "input should be 'preparation'"),
        (["peers", "--repeats", "0"], "--repeats 0"),
        (["limit", "--raw", "nowhere"], "nowhere"),
    ],
)
def test_bad_options_are_one_error(tmp_path, arguments, problem):
    done = call(tmp_path, *arguments)

    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(tmp_path, "work").exists()


def test_python_is_the_same_for_every_process():
    assert module("x", 1, Path("y")) == [sys.executable, "-m", "x", "1", "y"]


@pytest.mark.long
def test_quality_holds_both_presets_against_what_can_be_known(tmp_path):
    options = ("--users", "40", "--twin-seed", "3", "--rounds", "5", "--threads", "2")
    done = call(tmp_path, "quality", *options)

    assert "quality  kraft closes" in done.stdout, done.stderr
    found = json.loads((tmp_path / "work" / "benchmark-quality.json").read_text())
    assert found["runs"].keys() == {"kraft", "documented"}
    aucs = {one["name"]: one["estimates"]["auc"]["value"] for one in found["evaluation"]["score_sets"]}
    assert aucs["oracle"] > aucs["kraft"] > aucs["random"]
    # Five rounds are no tenth of the time.
    assert "times faster than documented, the whole job" in done.stdout
    assert done.returncode == (0 if found["passed"] else 1)


def test_every_benchmark_has_a_plan_whose_fields_are_options():
    names = set(benchmark.Options.model_fields) | {"limits", "formats"}
    questions = benchmark.questions()
    assert questions.keys() == set(get_args(benchmark.What))
    for question in questions.values():
        assert set(question.Plan._fields) <= names


def test_a_benchmark_is_recorded(raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(results.record, "__defaults__", (tmp_path / "RESULTS.md",))
    monkeypatch.setattr(sys, "argv", ["benchmark", "limit", "--record", "--limits", "512MiB", "--until", "build"])
    options = benchmark.Options(what="limit", raw=raw, limits="512MiB", until="build", record=True, quiet=True)

    code = benchmark.main(options)

    found = json.loads((tmp_path / "work" / "benchmark-limit.json").read_text())
    assert code == (0 if found["passed"] else 1)
    assert found["options"]["until"] == found["plan"]["until"] == "build"
    text = (tmp_path / "RESULTS.md").read_text()
    assert ": `jobs.benchmark limit --limits 512MiB --until build`\n" in text
    assert found["headline"] in text
