"""Runs KRAFT's stages, one or all in order, each in its own process. Nothing else here knows how KRAFT does so.

After each step `run_stages` yields a record of all stages so far, which also says what was measured where a later step
fails: stage -> seconds and peak_bytes of its process; of `build` the seconds of each table, of the ranker its rows and
rounds, of `evaluate` the metrics. On Spark the session comes first, as its own stage, and the peaks are those of
this process.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

from kraft.engine.process import worker
from kraft.engine.process.memory import peak_bytes
from kraft.pipeline.pipeline import Pipeline
from kraft.pipeline.recommend import Request, recommend
from kraft.pipeline.results import Results
from kraft.settings import Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.evaluate import evaluate_scores
from kraft.stages.fit_als import fit_als
from kraft.stages.fit_watch_times import fit_watch_times
from kraft.stages.rank_lists import rank_lists
from kraft.stages.retrieve_candidates import retrieve_candidates
from kraft.stages.score import score_test_pairs
from kraft.stages.train_ranker import train_ranker

if TYPE_CHECKING:
    from kraft.engine.process.stage import Stage

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
SHARED = {name: worker.ENVIRONMENT[name] for name in ("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")}
"""KRAFT's variables that every measured process gets. How KRAFT allocates memory is left out: that is its own doing."""


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
            pipeline.results = Results()
            steps[step]()
            told |= _figures(pipeline.results, step)
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


def _figures(results: Results, step: Until) -> dict[str, dict[str, Any]]:
    """Figures of the stages that ran in ``step``, from what their processes returned."""
    parts: dict[str, list[Stage[Any, ..., Any]]] = {
        BUILD: [build_tables] if step == "build" else [],
        FACTORS: [fit_als],
        TIMES: [fit_watch_times],
        TRAINING: [train_ranker],
        SCORING: [score_test_pairs],
        EVALUATING: [evaluate_scores],
        # No other step builds its tables.
        RECOMMENDING: [build_tables, retrieve_candidates, rank_lists] if step == "recommend" else [],
    }
    figures: dict[str, dict[str, Any]] = {}
    for name, stages in parts.items():
        if ran := [found for stage in stages if (found := results.get(stage))]:
            figures[name] = {
                "seconds": round(sum(one.seconds for one in ran), 3),
                "peak_bytes": max(one.peak_bytes for one in ran),
            }
    if step == "build" and (built := results.get(build_tables)):
        figures[BUILD]["tables"] = {name: table.seconds for name, table in built.result.built.items()}
    if trained := results.get(train_ranker):
        used = {"train_rows", "validation_rows", "label_rows", "rounds_run", "best_iteration"}
        figures[TRAINING] |= trained.result.model_dump(include=used)
    if evaluated := results.get(evaluate_scores):
        estimates = evaluated.result.report["score_sets"][0]["estimates"]
        figures[EVALUATING]["metrics"] = {name: found["value"] for name, found in estimates.items()}
    return figures
