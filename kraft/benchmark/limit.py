"""Does KRAFT stay under its memory limit? A job from scratch at each limit, every process measured."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kraft.benchmark.process_monitor import SpillMonitor
from kraft.benchmark.report import Report, Table, check
from kraft.benchmark.run_stages import Until
from kraft.benchmark.runner import module
from kraft.benchmark.setup import Setup, ranker_record
from kraft.engine.process.memory import mib
from kraft.settings import MIB

COMMANDS: dict[Until, tuple[str, ...]] = {
    "build": ("jobs.build_features",),
    "als": ("jobs.train", "--only-als"),
    "train": ("jobs.train",),
    "score": ("jobs.score", "--out", "submission.parquet"),
    "evaluate": ("jobs.evaluate", "--json-out", "evaluation.json"),
    "recommend": ("jobs.recommend", "--out", "recommendations.parquet"),
}
FAILED = "failed"


class Plan(NamedTuple):
    limits: Sequence[int]
    """In bytes."""
    until: Until = "score"
    rounds: int | None = None
    preset: str = "documented"


def run(setup: Setup, plan: Plan) -> Report:
    """Run everything up to ``plan.until`` once at each limit.

    Tables and factors have to be the same at every limit. So does the result, at those limits where the ranker learned
    from the same rows: a low limit holds fewer.
    """
    runs = [_run(setup, limit, plan) for limit in plan.limits]
    shown = ("peak_mib", "seconds", "spilled_mib", "rows", "tables", "result")
    table = Table(
        f"preset {plan.preset}, from raw files to {plan.until}: peak of the largest process, the most that DuckDB "
        "spilled, digests of tables and factors, and of the result",
        ("limit", "peak / limit", "peak MiB", "seconds", "spilled MiB", "ranker's rows", "tables", "result"),
        [(mib(run["limit"]), run["peak_mib"] * MIB / run["limit"], *(run[name] for name in shown)) for run in runs],
    )
    held = sum(run["verdict"] == "held" for run in runs)
    same = same_results(runs)
    results = "the same results" if same else "THE RESULTS DIFFER"
    verdicts = {f"limit {mib(run['limit'])}": run["verdict"] for run in runs}
    checks = [check(what, verdict, "held", holds=verdict == "held") for what, verdict in verdicts.items()]
    checks.append(check("results at all limits", results, "the same results", holds=same))
    headline = f"limit  held {held} of {len(runs)}; {results}"
    return Report("limit", headline, [table], {"same": same, "runs": runs}, checks)


def same_results(runs: Sequence[dict[str, Any]]) -> bool:
    """Whether runs that made tables made the same, and those that learned from as many rows have the same result."""
    made = [run for run in runs if not run["verdict"].startswith(FAILED)]
    results = {(run["rows"], run["result"]) for run in made}
    return len({run["tables"] for run in made}) <= 1 and len(results) == len({rows for rows, _ in results})


def _run(setup: Setup, limit: int, plan: Plan) -> dict[str, Any]:
    folder = setup.fresh(f"limit-{limit // MIB}")
    work = folder / "work"
    options = setup.options(work, memory_limit=limit, rounds=plan.rounds, preset=plan.preset)
    with SpillMonitor(work) as spill:
        measured = setup.measure(module(*COMMANDS[plan.until], *options), folder=folder, check=False)
    if measured.code != 0:
        setup.progress.say(f"  at {mib(limit)}: exit {measured.code} {measured.error()}")
        verdict = f"{FAILED} (exit {measured.code})"
    else:
        verdict = "held" if measured.peak_bytes <= limit else "OVER"
    setup.progress.say(f"  {mib(limit):>12}  {measured.seconds:7.1f} s  {verdict}")
    record = ranker_record(work, plan.preset)
    found = {
        "limit": limit,
        **measured.figures(),
        "spilled_mib": round(spill.most / MIB, 1),
        "verdict": verdict,
        "rows": record.get("train_rows", 0) + record.get("validation_rows", 0),
        "tables": _digest_of(_independent_of_limit(work, plan.preset)),
        "result": _digest_of([file for file in folder.iterdir() if file.is_file()]),
    }
    shutil.rmtree(folder)
    return found


def _independent_of_limit(work: Path, preset: str) -> list[Path]:
    """The tables that do not depend on the memory limit, and the factors."""
    # The ranker learns from a sample where memory has no room for all rows.
    learned = {"ranker_train", "training_sample", f"scores_{preset}"}
    tables = [path for path in (work / "tables").glob("*.parquet") if path.stem not in learned]
    return [*sorted(tables), *sorted((work / "models" / f"als_{preset}").glob("*.npy"))]


def _digest_of(files: Sequence[Path]) -> str:
    """Digest of the files' bytes in this order; empty without any."""
    digests = [digest(file) for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:8] if digests else ""


def digest(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
