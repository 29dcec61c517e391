"""Whether KRAFT stays under its memory limit: a job from scratch at each limit, every process measured."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from kraft.benchmark.outside import measure, module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup
from kraft.engine.budget import mib
from kraft.settings import MIB

Until = Literal["build", "als", "score"]
COMMANDS: dict[Until, tuple[str, ...]] = {
    "build": ("jobs.build_features",),
    "als": ("jobs.train", "--only-als"),
    "score": ("jobs.score", "--out", "submission.parquet"),
}


def run(
    setup: Setup,
    limits: Sequence[int],
    until: Until,
    rounds: int | None,
    matrix: str = "small",
    preset: str = "seed",
) -> Report:
    """Run everything up to ``until`` once at each limit.

    Args:
        setup: data, folder and threads.
        limits: in bytes.
        until: the last stage that runs.
        rounds: of the ranker; None for the preset's.
        matrix: the interaction log.
        preset: of the models.
    """
    setup.warm(matrix)
    chosen = {"matrix": matrix, "rounds": rounds, "preset": preset}
    runs = [_run(setup, limit, until, chosen) for limit in limits]
    rows = [
        (mib(run["limit"]), run["peak_mib"] / (run["limit"] / MIB), run["peak_mib"], run["seconds"], run["verdict"])
        for run in runs
    ]
    table = Table(
        f"preset {preset}, from raw files to {until}; peak of the largest process",
        ("limit", "peak / limit", "peak MiB", "seconds", "verdict"),
        rows,
    )
    held = sum(run["verdict"] == "held" for run in runs)
    results = {run["result"] for run in runs if run["result"]}
    same = "the same results" if len(results) == 1 else f"{len(results)} different results"
    headline = f"limit  held {held} of {len(runs)}; {same}"
    data = {"until": until, "raw": str(setup.raw), "threads": setup.threads, **chosen, "runs": runs}
    return Report("limit", headline, [table], data, passed=held == len(runs))


def _run(setup: Setup, limit: int, until: Until, chosen: dict[str, Any]) -> dict[str, Any]:
    work = setup.fresh(f"limit-{limit // MIB}")
    options = setup.options(work / "work", memory_limit=f"{limit}B", **chosen)
    measured = measure(module(*COMMANDS[until], *options), threads=setup.threads, folder=work, check=False)
    if measured.code != 0:
        last = (measured.stderr or measured.stdout).strip().splitlines()[-1:]
        setup.progress.say(f"  at {mib(limit)}: exit {measured.code} {' '.join(last)}")
        verdict = f"failed (exit {measured.code})"
    else:
        verdict = "held" if measured.peak_bytes <= limit else "OVER"
    setup.progress.say(f"  {mib(limit):>12}  {measured.seconds:7.1f} s  {verdict}")
    return {"limit": limit, **measured.figures(), "verdict": verdict, "result": _result(work, until, chosen["preset"])}


def _result(work: Path, until: Until, preset: str) -> str:
    """Digest of what the job made; empty where it made nothing."""
    if until == "score":
        files = [work / "submission.parquet"]
    elif until == "als":
        files = sorted((work / "work" / "models" / f"als_{preset}").glob("*.npy"))
    else:
        files = sorted((work / "work" / "tables").glob("*.parquet"))
    digests = [digest(file) for file in files if file.is_file()]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16] if digests else ""


def digest(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
