"""What does Spark cost where one machine would do? The same pipeline on both engines by turns, raw files to metrics.

Each runs in one process group that is measured from outside, in a work folder of its own, stage after stage. The
metrics have to agree. What Spark takes before it does anything is shown apart: its session (Java and Spark starting),
in the runs and for a single row.
"""

import os
import shutil
from functools import partial
from typing import Any, Final, NamedTuple

from kraft.benchmark.measure_process import Measured
from kraft.benchmark.report import Cell, Check, Report, Runs, Table, check, median_of, ratio_of
from kraft.benchmark.run_stages import EVALUATING, SESSION, run_stages, spark_startup
from kraft.benchmark.runner import command_of
from kraft.benchmark.setup import Setup
from kraft.settings import MIB
from kraft.spark.needs import need_spark

DUCKDB, SPARK = ENGINES = ("duckdb", "spark")
ROW: Final = "one row"
ALL: Final = "all"
AGREEING: Final = ("ndcg@10", "auc")
METRICS: Final = (*AGREEING, "auc warm items", "auc cold items")
MOST_DIFFERENCE: Final = 0.01
"""Of a metric that has to agree."""
PEAKS: Final = {
    "python_mib": "largest Python process",
    "java_mib": "Java (of a cluster: the driver's)",
    "together_mib": "all processes together",
}
ROW_FIGURES: Final = {
    "seconds": "the whole process",
    "session_seconds": "of these, until there is a session",
    "row_seconds": "and until the row is counted",
}
SUBMIT: Final = "PYSPARK_SUBMIT_ARGS"


class Plan(NamedTuple):
    master: str = "local[*]"
    driver_memory: int = 2048 * MIB
    """Heap of the driver's Java in bytes; with a local master, of all that Spark does."""
    preset: str = "kraft"
    repeats: int = 3
    rounds: int | None = None
    """Of the ranker; None for the preset's."""

    def variables(self) -> dict[str, str]:
        """Environment variables for Spark; none if the user's own environment has them."""
        return {} if SUBMIT in os.environ else {SUBMIT: f"--driver-memory {self.driver_memory // MIB}m pyspark-shell"}


def run(setup: Setup, plan: Plan) -> Report:
    """Run every stage up to the metrics ``plan.repeats`` times by each engine, by turns.

    Raises:
        InputError: Spark or Java is not installed, or the master's URL is none.
        MachineError: the master does not answer, or a run failed.
    """
    need_spark(plan.master)
    sides = {engine: partial(_run, setup, plan, engine) for engine in ENGINES}
    runs = setup.turns(plan.repeats, {**sides, ROW: partial(_count_one_row, setup, plan)})
    return report(runs, runs.pop(ROW), plan)


def _run(setup: Setup, plan: Plan, engine: str) -> dict[str, Any]:
    work = setup.fresh(f"engines-{engine}")
    given = {"preset": plan.preset, "rounds": plan.rounds, "engine": engine, "master": plan.master}
    arguments = {"settings": setup.settings(work, **given), "until": "evaluate", "baselines": False}
    run = setup.measure(command_of(run_stages, arguments), monitor=True, variables=plan.variables())
    shutil.rmtree(work)
    stages = run.answer()
    stages[SESSION] = stages.get(SESSION, {"seconds": 0.0})
    whole = run.figures() | _peaks(run, engine)
    return {"stages": stages, ALL: whole, "metrics": stages[EVALUATING].pop("metrics"), "seconds": whole["seconds"]}


def _peaks(run: Measured, engine: str) -> dict[str, float]:
    """Of each kind of process; of Java only where there is one and the system tells."""
    told = [one.get("peak_bytes", 0) for one in run.answer().values()]
    seen = run.monitor.largest if run.monitor else {}
    python = [*told, *(peak for program, peak in seen.items() if program.startswith("python"))]
    # Without Spark all processes are waited for.
    found = {"python_mib": run.peak_bytes if engine == DUCKDB else max(python), "java_mib": seen.get("java", 0)}
    if run.monitor and seen:
        # A process that grew and ended between two looks was there too.
        found["together_mib"] = max(run.monitor.together, *found.values())
    return {name: round(size / MIB, 1) for name, size in found.items() if size}


def _count_one_row(setup: Setup, plan: Plan) -> dict[str, Any]:
    run = setup.measure(command_of(spark_startup, {"master": plan.master}), variables=plan.variables())
    return run.figures() | run.answer()


def report(runs: Runs, rows: list[dict[str, Any]], plan: Plan) -> Report:
    """What follows from ``runs`` (engine -> stages, all, metrics of each) and ``rows`` (each count of one row)."""
    parts = _parts(runs)
    ratios = {part: ratio_of(sides[SPARK], sides[DUCKDB], "seconds") for part, sides in parts.items()}
    overhead = {name: median_of(rows, name) for name in ROW_FIGURES}
    session = median_of([one["stages"][SESSION] for one in runs[SPARK]], "seconds")
    seconds: list[tuple[Cell, ...]] = [(SESSION, "-", session, "-")]
    for part, sides in parts.items():
        seconds.append((part, *(median_of(side, "seconds") for side in sides.values()), ratios[part]))
    peaks = [(text, *(_peak(runs[engine], name) for engine in ENGINES)) for name, text in PEAKS.items()]
    how = f"medians of {len(rows)} runs by turns, master {plan.master}; ratio: median of those of each turn"
    quality, checks = _quality(runs)
    tables = [
        Table(f"seconds: {how}", ("", *ENGINES, "ratio"), seconds),
        Table("peak memory [MiB]", ("", *ENGINES), peaks),
        quality,
        Table("Spark for a single row", ("", "seconds"), [(text, overhead[one]) for one, text in ROW_FIGURES.items()]),
    ]
    whole = {engine: median_of(side, "seconds") for engine, side in parts[ALL].items()}
    headline = (
        f"engines  duckdb {whole[DUCKDB]:.1f} s, spark {whole[SPARK]:.1f} s: {ratios[ALL]:.1f} times; "
        f"Spark takes {overhead['seconds']:.1f} s for one row"
    )
    submit = plan.variables().get(SUBMIT) or os.environ[SUBMIT]
    data = {"submit": submit, "ratios": ratios, "overhead": overhead, "runs": runs, "one_row": rows}
    return Report("engines", headline, tables, data, checks)


def _parts(runs: Runs) -> dict[str, Runs]:
    """Stage, or all together -> engine -> its figures in each run."""
    stages = [stage for stage in runs[DUCKDB][0]["stages"] if stage != SESSION]
    parts = {stage: {engine: [one["stages"][stage] for one in runs[engine]] for engine in ENGINES} for stage in stages}
    return parts | {ALL: {engine: [one[ALL] for one in runs[engine]] for engine in ENGINES}}


def _peak(runs: list[dict[str, Any]], name: str) -> str:
    found = [one[ALL][name] for one in runs if name in one[ALL]]
    return f"{max(found):,.0f}" if found else "-"


def _quality(runs: Runs) -> tuple[Table, list[Check]]:
    lines, checks = [], []
    for name in METRICS:
        found = [median_of([one["metrics"] for one in runs[engine]], name) for engine in ENGINES]
        difference = found[1] - found[0]
        lines.append((name, *(f"{value:.4f}" for value in found), f"{difference:+.4f}"))
        if name in AGREEING:
            bound, close = f"at most {MOST_DIFFERENCE:g} apart", abs(difference) <= MOST_DIFFERENCE
            checks.append(check(f"{name}, spark less duckdb", f"{difference:+.4f}", bound, holds=close))
    return Table("quality of the scores", ("", *ENGINES, "difference"), lines), checks
