"""Runs KRAFT's stages, one or all in order, each in a process of its own. Nothing else here knows how KRAFT does so.

After each step `run_stages` yields a record of all stages so far, which also says what was measured where a later step
fails: stage -> seconds and peak_bytes of its process; of `build` the seconds of each table, of the ranker its rows and
rounds, of `evaluate` the metrics. On Spark the session comes first, as a stage of its own, and the peaks are those of
this process.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

from kraft.benchmark import runner
from kraft.engine import isolation
from kraft.engine.budget import peak_bytes
from kraft.models.recipes import ALS, RANKER, SCORES, WATCH_TIME, named
from kraft.pipeline import Pipeline
from kraft.recommending import Request, recommend
from kraft.settings import Settings

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
"""What is reported; the step `train` runs the third and the fourth."""
SESSION = "session"
SHARED = {name: isolation.ENVIRONMENT[name] for name in ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")}
"""KRAFT's variables that every measured process gets. How KRAFT allocates memory is left out: that is its own doing."""


def run_stage(
    stage: Callable[[Mapping[str, Any]], dict[str, Any]], arguments: dict[str, Any], *, thrifty: bool = False
) -> dict[str, Any]:
    """Run one stage, outside of this process, whose memory must not weigh on the measured ones.

    ``thrifty`` returns freed memory to the system at once, as the job does for the ranker.
    """
    environment = isolation.THRIFTY if thrifty else {}
    return isolation.run_stage(":".join(runner.name_of(stage)), arguments, environment=environment)


def run_stages(
    settings: dict[str, Any], until: Until, *, baselines: bool = True
) -> Iterator[dict[str, dict[str, Any]]]:
    """Run every step up to ``until`` in an empty work folder; ``baselines``: `evaluate` includes the naive rankings."""
    chosen = Settings.model_validate(settings)
    told = _session(chosen.master) if chosen.engine == "spark" else {}
    with Pipeline(chosen) as pipeline:
        steps: dict[Until, Callable[[], object]] = {
            "build": pipeline.build,
            "als": pipeline.fit_als,
            "train": pipeline.train,
            "score": pipeline.score,
            "evaluate": lambda: pipeline.evaluate(baselines=baselines),
            "recommend": lambda: recommend(pipeline, Request(), chosen.work / "recommendations.parquet"),
        }
        for step in STEPS[: STEPS.index(until) + 1]:
            pipeline.results.clear()
            steps[step]()
            told |= _figures(pipeline.results, chosen, step)
            yield told


def _session(master: str) -> dict[str, dict[str, Any]]:
    started = time.monotonic()
    from kraft.spark.session import spark_session  # noqa: PLC0415 - needs the extra [spark]

    spark_session(master)
    return {SESSION: {"seconds": round(time.monotonic() - started, 3), "peak_bytes": peak_bytes()}}


def spark_startup(master: str) -> dict[str, float]:
    """What Spark takes for one row: seconds until there is a session, and until the row is counted."""
    from kraft.spark.session import spark_session  # noqa: PLC0415 - needs the extra [spark]

    started = time.monotonic()
    session = spark_session(master)
    opened = time.monotonic()
    session.range(1).count()
    return {"session_seconds": round(opened - started, 3), "row_seconds": round(time.monotonic() - opened, 3)}


def _figures(results: dict[str, dict[str, Any]], settings: Settings, step: Until) -> dict[str, dict[str, Any]]:
    """Figures of the stages that ran in ``step``, from what their processes returned."""
    parts = {
        BUILD: ["build"] if step == "build" else [],
        FACTORS: [named(ALS, settings)],
        TIMES: [WATCH_TIME],
        TRAINING: [named(RANKER, settings)],
        SCORING: [named(SCORES, settings)],
        EVALUATING: ["evaluate"],
        # No other step builds its tables.
        RECOMMENDING: ["build", "candidates", "recommend"] if step == "recommend" else [],
    }
    figures = {}
    for stage, names in parts.items():
        if ran := [results[name] for name in names if name in results]:
            figures[stage] = {
                "seconds": round(sum(one["seconds"] for one in ran), 3),
                "peak_bytes": max(one["peak_bytes"] for one in ran),
            }
    if step == "build":
        figures[BUILD]["tables"] = {name: facts["seconds"] for name, facts in results["build"]["built"].items()}
    if ranker := results.get(named(RANKER, settings)):
        used = ("train_rows", "validation_rows", "label_rows", "rounds_run", "best_iteration")
        figures[TRAINING] |= {name: ranker[name] for name in used}
    if evaluated := results.get("evaluate"):
        estimates = evaluated["report"]["score_sets"][0]["estimates"]
        figures[EVALUATING]["metrics"] = {name: found["value"] for name, found in estimates.items()}
    return figures
