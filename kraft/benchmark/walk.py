"""Every stage in order over one work folder, each in a process of its own: what each took, as JSON.

    python -m kraft.benchmark.walk --raw DIR --work DIR --until recommend --memory-limit 1073741824 --threads 2

Each line of stdout is a JSON object, written when a step is done, of all stages so far: stage -> seconds (of its
process, from its start), peak_bytes (as the kernel counted it for that process), of the tables the seconds of each, of
the ranker the rows it learned from and the rounds it ran, and of evaluate the metrics. So the last line says what was
measured, also where a step fails.
With --engine spark its session is opened first of all, and told as a stage of its own: its peak is that of this process
up to then, as are the peaks of all stages that Spark runs.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from kraft.engine.budget import peak_bytes
from kraft.models.recipes import ALS, RANKER, SCORES, WATCH_TIME, named
from kraft.pipeline import Pipeline
from kraft.recommending import Request, recommend
from kraft.settings import PRESETS, Settings

Until = Literal["build", "als", "train", "score", "evaluate", "recommend"]
STEPS: tuple[Until, ...] = get_args(Until)
BUILD, FACTORS, TIMES, TRAINING, SCORING, EVALUATING, RECOMMENDING = STAGES = (
    "build",
    "als",
    "watch times",
    "ranker",
    "score",
    "evaluate",
    "recommend",
)
"""What is told apart; the step `train` runs the third and the fourth."""
SESSION = "session"
"""What comes before them on Spark: Java starts, and Spark in it."""


def walk(settings: Settings, until: Until, out: Path, *, baselines: bool = True) -> Iterator[dict[str, dict[str, Any]]]:
    """Run every step up to ``until`` from scratch; what is known after each of them.

    Args:
        settings: of all stages; the work folder is empty.
        until: the last step.
        out: file for the lists of `recommend`.
        baselines: whether `evaluate` judges the simplest recommenders too.
    """
    told = _session(settings.master) if settings.engine == "spark" else {}
    with Pipeline(settings) as pipeline:
        steps = _steps(pipeline, out, baselines=baselines)
        for step in STEPS[: STEPS.index(until) + 1]:
            pipeline.results.clear()
            steps[step]()
            told |= _told(pipeline.results, settings, step)
            yield told


def _session(master: str) -> dict[str, dict[str, Any]]:
    started = time.monotonic()
    from kraft.spark.session import spark_session  # noqa: PLC0415 - needs the extra [spark]

    spark_session(master)
    return {SESSION: {"seconds": round(time.monotonic() - started, 3), "peak_bytes": peak_bytes()}}


def _steps(pipeline: Pipeline, out: Path, *, baselines: bool) -> dict[Until, Callable[[], object]]:
    return {
        "build": pipeline.build,
        "als": pipeline.fit_als,
        "train": pipeline.train,
        "score": pipeline.score,
        "evaluate": lambda: pipeline.evaluate(baselines=baselines),
        "recommend": lambda: recommend(pipeline, Request(), out),
    }


def _told(results: dict[str, dict[str, Any]], settings: Settings, step: Until) -> dict[str, dict[str, Any]]:
    """Figures of the stages that ran in ``step``, from what their processes returned."""
    parts = {
        BUILD: ["build"] if step == "build" else [],
        FACTORS: [named(ALS, settings)],
        TIMES: [WATCH_TIME],
        TRAINING: [named(RANKER, settings)],
        SCORING: [named(SCORES, settings)],
        EVALUATING: ["evaluate"],
        # Its tables are built by no other step.
        RECOMMENDING: ["build", "candidates", "recommend"] if step == "recommend" else [],
    }
    told = {}
    for stage, names in parts.items():
        ran = [results[name] for name in names if name in results]
        if ran:
            told[stage] = {
                "seconds": round(sum(one["seconds"] for one in ran), 3),
                "peak_bytes": max(one["peak_bytes"] for one in ran),
            }
    if step == "build":
        told[BUILD]["tables"] = {name: facts["seconds"] for name, facts in results["build"]["built"].items()}
    if ranker := results.get(named(RANKER, settings)):
        used = ("train_rows", "validation_rows", "label_rows", "rounds_run", "best_iteration")
        told[TRAINING] |= {name: ranker[name] for name in used}
    if judged := results.get("evaluate"):
        estimates = judged["report"]["score_sets"][0]["estimates"]
        told[EVALUATING]["metrics"] = {name: found["value"] for name, found in estimates.items()}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kraft.benchmark.walk", description=walk.__doc__)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--until", choices=STEPS, default="recommend")
    parser.add_argument("--memory-limit", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--matrix", default="small")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="kraft")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--train-rows", type=int)
    parser.add_argument("--engine", default="duckdb")
    parser.add_argument("--master", default="local[*]")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = vars(parser.parse_args())
    until, baselines = options.pop("until"), not options.pop("no_baselines")
    settings = Settings.model_validate(options)
    for told in walk(settings, until, settings.work / "recommendations.parquet", baselines=baselines):
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
