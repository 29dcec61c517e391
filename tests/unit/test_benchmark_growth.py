"""`kraft.benchmark.growth`: what is made of seconds and peaks, and all of it over a little synthetic data."""

import doctest
import json
import math

import pytest

from kraft.benchmark import growth, report
from kraft.benchmark.growth import Plan, exponent, fit
from kraft.benchmark.measure_process import Measured
from kraft.benchmark.setup import Setup
from kraft.engine.process.progress import QUIET, Progress

MIB = 1024**2
PLAN = Plan([1, 4], ["csv"], 20, 50, twin_seed=3, preset="kraft", until="recommend", rounds=None, repeats=3)


def run_of(rows, seconds, peak, ranker=None):
    made = {
        "build": {"seconds": seconds, "peak_bytes": 4 * peak * MIB},
        "als": {"seconds": seconds, "peak_bytes": peak * MIB},
        "ranker": {
            "seconds": 2.0,
            "peak_bytes": 3 * peak * MIB,
            "train_rows": rows,
            "validation_rows": 0,
            "rounds_run": 1,
        },
    }
    made["ranker"] |= ranker or {}
    made["all"] = {"seconds": 2 * seconds + 2.0, "peak_bytes": 4 * peak * MIB}
    return {
        "scale": 1,
        "rows": rows,
        "stages": made,
        "failed": None,
        "peak_bytes": 4 * peak * MIB,
        "seconds": 2 * seconds + 2.0,
    }


def test_a_straight_line_has_the_exponent_one_once_the_base_is_taken_off():
    runs = [run_of(100, 1.0, 100), run_of(1_000_000, 3.0, 100), run_of(4_000_000, 9.0, 100)]
    found = fit(runs, "build")
    assert found.beyond == 1.0
    assert found.seconds == pytest.approx(math.log(3) / math.log(4), abs=1e-3)


def test_the_rankers_rows_are_those_it_saw():
    runs = [run_of(10, 0, 1, {"seconds": 0.0}), run_of(1000, 0, 1, {"rounds_run": 30, "seconds": 3.0})]
    # Four times the interactions, but memory has room for no more of their rows: twice the rounds, twice the time.
    runs.append(run_of(4000, 0, 1, {"train_rows": 1000, "rounds_run": 60, "seconds": 6.0}))
    assert fit(runs, "ranker").beyond == 1.0


def test_what_takes_next_to_no_time_has_no_exponent():
    assert exponent([(1, 0.01), (2, 0.02)]) is None
    assert exponent([(1, 1.0)]) is None


def test_rows_that_hardly_differ_make_no_line():
    # Of the ranker, where memory has room for as many rows at either scale: its rounds and seconds differ a little.
    assert exponent([(127e6, 15.3), (102e6, 14.3)]) is None
    assert exponent([(100, 1.0), (200, 2.0)]) == 1.0


@pytest.mark.parametrize(
    ("large", "broken"),
    [
        (run_of(4_000_000, 9.0, 109), []),
        (run_of(4_000_000, 9.0, 111), ["csv: times the peak, als"]),
        (
            run_of(4_000_000, 12.0, 100),
            [f"csv: exponent of time, {stage}" for stage in ("build", "als", "all")],
        ),
        (run_of(4_000_000, 9.0, 109) | {"peak_bytes": 1025 * MIB}, ["csv: peak of the largest process [MiB]"]),
        (
            run_of(4_000_000, 9.0, 257),
            [
                "csv: peak of the largest process [MiB]",
                "csv: peak, build [MiB]",
                "csv: times the peak, als",
            ],
        ),
    ],
    ids=["straight and flat", "a peak that grows", "too slow", "over the limit", "a stage over the limit"],
)
def test_what_is_asked_of_the_growth(tmp_path, large, broken):
    setup = Setup(tmp_path, tmp_path, 1024 * MIB, 2, Progress(QUIET))
    base = run_of(100, 1.0, 100, {"seconds": 0.0})
    base["stages"]["all"]["seconds"] = 2.0
    small = run_of(1_000_000, 3.0, 100, {"seconds": 1.0})
    small["stages"]["all"]["seconds"] = 7.0
    large["stages"]["ranker"]["seconds"] = 4.0
    large["stages"]["all"]["seconds"] = 2 * large["stages"]["build"]["seconds"] + 4.0
    runs = [base, small, large]
    fits = {stage: fit(runs, stage) for stage in growth.stages_of(runs)}
    lines = growth._checks(setup, "csv", runs, fits)  # noqa: SLF001 - the verdicts behind the table
    assert [what for what, *_, verdict in lines if verdict != "met"] == broken


@pytest.mark.slow
def test_a_scale_that_fails_is_told_with_what_the_stages_before_it_took(tmp_path, monkeypatch):
    real = Setup.measure

    def measure(setup, command, **options):
        """Runs everything; at scale 2, the last of the first turn, the second step is said to have failed."""
        run = real(setup, command, **options)
        build, _ = run.stdout.splitlines()
        failed = {"code": 1, "stdout": build, "stderr": "kraft.errors.MachineError: no room\n       Raise it."}
        return run._replace(**(failed if next(walks) == 2 * growth.SMALL_RUNS else {}))

    # The base, 1 and 2; after that scale 2 is left out, in two turns.
    walks = iter(range(3 * 2 * growth.SMALL_RUNS + 1))
    monkeypatch.setattr(Setup, "measure", measure)
    setup = Setup(tmp_path, tmp_path, 1024 * MIB, 2, Progress(QUIET))
    found = growth.run(setup, PLAN._replace(scales=[1, 2], users=30, until="als", preset="documented"))
    *_, one, two = found.data["runs"]["csv"]
    assert list(one["stages"]) == ["build", "als", "all"]
    assert list(two["stages"]) == ["build"]
    assert two["failed"] == "kraft.errors.MachineError: no room"
    assert not found.passed
    assert ("csv: runs to its end", "x1", "x1, x2", "NOT MET") in found.tables[-1].rows
    assert "FAILED" in found.headline
    assert " - " in str(found.tables[0])
    assert next(walks, None) is None


def test_scales_take_turns_and_medians_and_highest_peaks_are_told(tmp_path, monkeypatch):
    # Of the base, scale 1 and scale 2 in each of three turns.
    turns = [
        ([3.0, 3.0, 3.0], [30.0, 30.0, 30.0], [40.0]),
        ([1.0, 2.0, 1.0], [10.0, 20.0, 10.0], [70.0]),
        ([2.0, 2.0, 2.0], [20.0, 20.0, 20.0], [50.0]),
    ]
    seconds = iter([took for turn in turns for runs in turn for took in runs])
    scales = []

    def measure(setup, command, *, folder, check):
        scales.append((setup.raw.name, check))
        assert json.loads(command[-1])["settings"]["raw"] == str(setup.raw)
        (folder / "work").mkdir()
        took = next(seconds)
        peak = int(1000 - took) * MIB
        tables = {"split": 0.9 * took, "friends": 0.001 * took}
        stages = {
            "build": {"seconds": took, "peak_bytes": peak, "tables": tables},
            "als": {"seconds": 5.0, "peak_bytes": 3 * MIB},
        }
        return Measured(took, 2 * took, peak, 0, json.dumps(stages), "")

    monkeypatch.setattr(Setup, "measure", measure)
    setup = Setup(tmp_path, tmp_path, 1024 * MIB, 2, Progress(QUIET))
    found = growth.run(setup, PLAN._replace(scales=[1, 2], until="als", preset="documented"))
    assert scales == [*[("x0", True)] * 3, *[("x1", False)] * 3, ("x2", False)] * 3
    base, one, two = found.data["runs"]["csv"]
    assert [run["stages"]["build"]["seconds"] for run in (base, one, two)] == [2.0, 20.0, 50.0]
    assert [run["stages"]["all"]["seconds"] for run in (base, one, two)] == [7.0, 25.0, 55.0]
    assert [run["peak_bytes"] for run in (base, one, two)] == [999 * MIB, 990 * MIB, 960 * MIB]
    assert one["stages"]["build"]["peak_bytes"] == one["stages"]["all"]["peak_bytes"] == 990 * MIB
    assert (one["seconds"], one["cpu_seconds"]) == (20.0, 40.0)
    assert one["stages"]["build"]["tables"] == {"split": 18.0, "friends": 0.02}
    # Of the tables, those that take a share of the time.
    (table,) = (table for table in found.tables if "tables that take most" in table.title)
    assert table.rows == [("split", 1.8, 18.0, 45.0)]


@pytest.mark.slow
def test_growth_measures_every_stage_in_every_format(tmp_path):
    setup = Setup(tmp_path, tmp_path, 1024 * MIB, 2, Progress(QUIET))
    plan = PLAN._replace(formats=["parquet"], scales=[1, 2], users=30, until="als", preset="documented", repeats=1)
    found = growth.run(setup, plan)
    base, one, two = found.data["runs"]["parquet"]
    assert (base["users"], one["users"], two["users"]) == (20, 30, 60)
    assert base["rows"] < one["rows"] < two["rows"]
    assert list(two["stages"]) == ["build", "als", "all"]
    assert 0 < two["stages"]["build"]["tables"]["interactions"] < two["stages"]["build"]["seconds"]
    assert two["stages"]["all"]["peak_bytes"] >= max(two["stages"][name]["peak_bytes"] for name in ("build", "als"))
    assert not list(tmp_path.iterdir())
    assert "preset documented" in str(found)


@pytest.mark.parametrize("module", [growth, report])
def test_examples_in_docstrings_hold(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
