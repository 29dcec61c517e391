"""Every stage in order over one work folder, each in a process of its own: what each took, as JSON.

    python -m kraft.benchmark.walk --raw DIR --work DIR --until recommend --memory-limit 1073741824 --threads 2

The last line of stdout is a JSON object, stage -> seconds (of its process, from its start), peak_bytes (as the kernel
counted it for that process), and of the ranker the rows it learned from and the rounds it ran.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

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


def walk(settings: Settings, until: Until, out: Path) -> dict[str, dict[str, Any]]:
    """Run every step up to ``until`` from scratch.

    Args:
        settings: of all stages; the work folder is empty.
        until: the last step.
        out: file for the lists of `recommend`.
    """
    told: dict[str, dict[str, Any]] = {}
    with Pipeline(settings) as pipeline:
        steps = _steps(pipeline, out)
        for step in STEPS[: STEPS.index(until) + 1]:
            pipeline.results.clear()
            steps[step]()
            told |= _told(pipeline.results, settings, step)
    return told


def _steps(pipeline: Pipeline, out: Path) -> dict[Until, Callable[[], object]]:
    return {
        "build": pipeline.build,
        "als": pipeline.fit_als,
        "train": pipeline.train,
        "score": pipeline.score,
        "evaluate": pipeline.evaluate,
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
    if ranker := results.get(named(RANKER, settings)):
        used = ("train_rows", "validation_rows", "label_rows", "rounds_run", "best_iteration")
        told[TRAINING] |= {name: ranker[name] for name in used}
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
    parser.add_argument("--quiet", action="store_true")
    options = vars(parser.parse_args())
    until = options.pop("until")
    settings = Settings.model_validate(options)
    print(json.dumps(walk(settings, until, settings.work / "recommendations.parquet")))


if __name__ == "__main__":
    main()
