"""The same pipeline on both engines by turns, from raw files to metrics: what Spark costs where one machine would do.

Both run in one process group that is measured from outside, each in a work folder of its own, stage after stage
(`kraft.benchmark.walk`). The metrics have to agree. What Spark takes before it has done anything is told apart: the
session, which is Java and Spark starting, in the runs and for a single row.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Final, NamedTuple

from kraft.benchmark.outside import Measured, module
from kraft.benchmark.report import Cell, Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.benchmark.walk import EVALUATING, SESSION
from kraft.settings import MIB
from kraft.spark.needs import need_spark

DUCKDB, SPARK = ENGINES = ("duckdb", "spark")
ALL: Final = "all"
AGREEING: Final = ("ndcg@10", "auc")
METRICS: Final = (*AGREEING, "auc warm items", "auc cold items")
CLOSE: Final = 0.01
"""Greatest difference of a metric that has to agree."""
PEAKS: Final = {
    "python_mib": "largest Python process",
    "java_mib": "Java (of a cluster: the driver's)",
    "together_mib": "all processes together",
}
SUBMIT: Final = "PYSPARK_SUBMIT_ARGS"
Runs = dict[str, list[dict[str, Any]]]


class Cluster(NamedTuple):
    """Where Spark runs."""

    master: str
    driver_memory: int
    """Heap of the driver's Java in bytes: of a local master, of all that Spark does."""

    def variables(self) -> dict[str, str]:
        """What of it the environment has to say; nothing where the user's own has said it."""
        return {} if SUBMIT in os.environ else {SUBMIT: f"--driver-memory {self.driver_memory // MIB}m pyspark-shell"}


def run(setup: Setup, cluster: Cluster, preset: str, repeats: int, rounds: int | None) -> Report:
    """Run every stage up to the metrics ``repeats`` times by each engine, by turns.

    Args:
        setup: data, folder, limit and threads.
        cluster: where Spark runs.
        preset: of the models.
        repeats: of each engine.
        rounds: of the ranker; None for the preset's.

    Raises:
        InputError: Spark or Java is not installed, or the master's URL is none.
        MachineError: the master does not answer, or a run failed.
    """
    need_spark(cluster.master)
    runs: Runs = {engine: [] for engine in ENGINES}
    rows = []
    for number in range(repeats):
        # Each engine begins in turn.
        for engine in ENGINES if number % 2 == 0 else reversed(ENGINES):
            work = setup.fresh(f"engines-{engine}")
            runs[engine].append(_run(setup, cluster, work, engine, preset=preset, rounds=rounds))
            shutil.rmtree(work)
            setup.progress.say(f"  {number + 1}/{repeats} {engine:<6} {runs[engine][-1][ALL]['seconds']:9.1f} s")
        rows.append(_one_row(setup, cluster))
    facts = {
        "master": cluster.master,
        "driver_memory": cluster.driver_memory,
        "submit": cluster.variables().get(SUBMIT) or os.environ[SUBMIT],
        "preset": preset,
        "raw": str(setup.raw),
        "threads": setup.threads,
        "memory_limit": setup.memory_limit,
    }
    return report(runs, rows, facts)


def _run(setup: Setup, cluster: Cluster, work: Path, engine: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - values of options
    words = setup.options(work, until="evaluate", engine=engine, master=cluster.master, **options)
    command = module("kraft.benchmark.walk", *words, "--no-baselines")
    run = setup.measure(command, follow=True, variables=cluster.variables())
    stages = run.answer()
    stages[SESSION] = stages.get(SESSION, {"seconds": 0.0})
    return {"stages": stages, ALL: run.figures() | _peaks(run, engine), "metrics": stages[EVALUATING].pop("metrics")}


def _peaks(run: Measured, engine: str) -> dict[str, float]:
    """Of each kind of process; of Java only where there is one and the system tells."""
    told = [one.get("peak_bytes", 0) for one in run.answer().values()]
    seen = run.followed.largest if run.followed else {}
    python = [*told, *(peak for program, peak in seen.items() if program.startswith("python"))]
    # Without Spark all processes are waited for.
    found = {"python_mib": run.peak_bytes if engine == DUCKDB else max(python), "java_mib": seen.get("java", 0)}
    if run.followed and seen:
        # One that grew and ended between two looks was there too.
        found["together_mib"] = max(run.followed.together, *found.values())
    return {name: round(size / MIB, 1) for name, size in found.items() if size}


def _one_row(setup: Setup, cluster: Cluster) -> dict[str, Any]:
    command = module("kraft.benchmark.one_row", cluster.master)
    run = setup.measure(command, variables=cluster.variables())
    return run.figures() | run.answer()


def report(runs: Runs, rows: list[dict[str, Any]], facts: dict[str, Any]) -> Report:
    """What is made of the figures.

    Args:
        runs: engine -> stages, all, metrics of each run.
        rows: of each time that Spark counted one row.
        facts: further entries of the JSON.
    """
    parts = _parts(runs)
    ratios = {part: ratio_of(sides[SPARK], sides[DUCKDB], "seconds") for part, sides in parts.items()}
    metrics = {
        engine: {name: median_of([one["metrics"] for one in runs[engine]], name) for name in METRICS}
        for engine in ENGINES
    }
    differences = {name: metrics[SPARK][name] - metrics[DUCKDB][name] for name in METRICS}
    overhead = {name: median_of(rows, name) for name in ("seconds", "session_seconds", "row_seconds")}
    seconds: list[tuple[Cell, ...]] = [
        (part, *(median_of(side, "seconds") for side in sides.values()), ratios[part]) for part, sides in parts.items()
    ]
    session = median_of([one["stages"][SESSION] for one in runs[SPARK]], "seconds")
    how = f"medians of {len(rows)} runs by turns, master {facts['master']}; ratio: median of those of each turn"
    tables = [
        Table(f"seconds: {how}", ("", *ENGINES, "ratio"), [(SESSION, "-", session, "-"), *seconds]),
        Table(
            "peak memory [MiB]",
            ("", *ENGINES),
            [(text, *(_peak(runs[engine], name) for engine in ENGINES)) for name, text in PEAKS.items()],
        ),
        Table(
            f"what the scores are worth; {' and '.join(AGREEING)} may differ by {CLOSE:g}",
            ("", *ENGINES, "difference"),
            [
                (name, *(f"{metrics[engine][name]:.4f}" for engine in ENGINES), f"{differences[name]:+.4f}")
                for name in METRICS
            ],
        ),
        Table(
            "what Spark takes for a single row",
            ("", "seconds"),
            [
                ("the whole process", overhead["seconds"]),
                ("of these, until there is a session", overhead["session_seconds"]),
                ("and until the row is counted", overhead["row_seconds"]),
            ],
        ),
    ]
    whole = {engine: median_of(side, "seconds") for engine, side in parts[ALL].items()}
    headline = (
        f"engines  duckdb {whole[DUCKDB]:.1f} s, spark {whole[SPARK]:.1f} s: {ratios[ALL]:.1f} times; "
        f"Spark takes {overhead['seconds']:.1f} s for one row"
    )
    passed = all(abs(differences[name]) <= CLOSE for name in AGREEING)
    data = {**facts, "ratios": ratios, "differences": differences, "overhead": overhead, "runs": runs, "one_row": rows}
    return Report("engines", headline, tables, data, passed=passed)


def _parts(runs: Runs) -> dict[str, Runs]:
    """Stage, or all together -> engine -> its figures in each run."""
    stages = [stage for stage in runs[DUCKDB][0]["stages"] if stage != SESSION]
    parts = {stage: {engine: [one["stages"][stage] for one in runs[engine]] for engine in ENGINES} for stage in stages}
    return parts | {ALL: {engine: [one[ALL] for one in runs[engine]] for engine in ENGINES}}


def _peak(runs: list[dict[str, Any]], name: str) -> str:
    found = [one[ALL][name] for one in runs if name in one[ALL]]
    return f"{max(found):,.0f}" if found else "-"
