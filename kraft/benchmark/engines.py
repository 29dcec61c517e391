"""The same pipeline by either engine: seconds a stage, whether the ranking is as good, and what Spark costs by itself.

What Spark takes for a log of 100,000 interactions, for which the single machine needs seconds, is its overhead: a JVM
to start and to warm up, queries to plan and compile, tasks to send. It is paid by a log of any size.
"""

import shutil
from pathlib import Path
from typing import Any

from kraft.benchmark.outside import measure, module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup
from kraft.benchmark.walk import EVALUATING
from kraft.data.places import find_folder
from kraft.engine.isolation import run_stage

ENGINES = ("duckdb", "spark")
METRICS = ("ndcg@10", "auc")
CLOSE = 0.01
"""Greatest difference of a metric between the engines."""
SMALL_USERS, SMALL_ITEMS = 200, 500
"""Of the small twin: about 100,000 interactions."""
Told = dict[str, dict[str, Any]]


def run(setup: Setup, master: str, preset: str, rounds: int | None, matrix: str = "small") -> Report:
    """Run every stage up to the metrics by each engine, over the raw data and over a small twin.

    Args:
        setup: data, folder, limit and threads.
        master: Spark's.
        preset: of the models.
        rounds: of the ranker; None for the preset's.
        matrix: the interaction log.
    """
    small = _small_twin(setup.folder)
    setup.warm(matrix)
    told: dict[str, dict[str, Told]] = {"full": {}, "small": {}}
    for size, raw in (("small", small), ("full", setup.raw)):
        for engine in ENGINES:
            setup.progress.say(f"  {engine}, {size}")
            work = setup.fresh("engines") / "work"
            more = {"preset": preset, "rounds": rounds, "matrix": matrix, "engine": engine, "master": master}
            options = setup.options(work, raw=raw, until="evaluate", **more)
            command = module("kraft.benchmark.walk", *options, "--no-baselines")
            told[size][engine] = measure(command, threads=setup.threads, folder=setup.folder).answer()
    shutil.rmtree(setup.folder / "engines")
    return report(told, {"master": master, "preset": preset, "raw": str(setup.raw), "threads": setup.threads})


def report(told: dict[str, dict[str, Told]], facts: dict[str, Any]) -> Report:
    """What is made of the stages' figures.

    Args:
        told: full or small -> engine -> what `walk` tells.
        facts: further entries of the JSON.
    """
    full, small = told["full"], told["small"]
    rows: list[tuple[str, float, float, float, float]] = [
        (
            stage,
            float(full["duckdb"][stage]["seconds"]),
            float(full["spark"][stage]["seconds"]),
            float(small["duckdb"][stage]["seconds"]),
            float(small["spark"][stage]["seconds"]),
        )
        for stage in full["duckdb"]
    ]
    duckdb, spark, overhead = (
        sum(float(one["seconds"]) for one in told[size][engine].values())
        for size, engine in (("full", "duckdb"), ("full", "spark"), ("small", "spark"))
    )
    seconds = Table(
        "seconds of each stage",
        ("", "duckdb", "spark", "duckdb, 100,000 rows", "spark, 100,000 rows"),
        rows,
    )
    metrics = {engine: full[engine][EVALUATING]["metrics"] for engine in ENGINES}
    pairs = {name: (float(metrics["duckdb"][name]), float(metrics["spark"][name])) for name in METRICS}
    ranking = Table(
        "how well they rank",
        ("", *ENGINES),
        [(name, f"{one:.4f}", f"{other:.4f}") for name, (one, other) in pairs.items()],
    )
    headline = (
        f"engines  duckdb {duckdb:.1f} s, spark {spark:.1f} s; "
        f"Spark takes {overhead:.1f} s of a log of 100,000 rows: its overhead"
    )
    passed = all(abs(one - other) <= CLOSE for one, other in pairs.values())
    return Report("engines", headline, [seconds, ranking], {**facts, "stages": told}, passed)


def _small_twin(folder: Path) -> Path:
    twin = folder / "small-twin"
    if find_folder(twin) is None:
        shutil.rmtree(twin, ignore_errors=True)
        run_stage(
            "kraft.data.twin:make_stage",
            {"to": str(twin), "users": SMALL_USERS, "items": SMALL_ITEMS, "verbosity": -1},
        )
    return twin
