"""Whether KRAFT stays under its memory limit: a job from scratch at each limit, every process measured."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup
from kraft.benchmark.spill import SpillWatch
from kraft.benchmark.walk import Until
from kraft.engine.budget import mib
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


def run(setup: Setup, limits: Sequence[int], until: Until, rounds: int | None, preset: str = "seed") -> Report:
    """Run everything up to ``until`` once at each limit.

    Args:
        setup: data, folder and threads.
        limits: in bytes.
        until: the last stage that runs.
        rounds: of the ranker; None for the preset's.
        preset: of the models.

    Tables that every row goes into and factors have to be the same at every limit; what comes after the ranker, at
    those limits where it learned from the same rows: a narrow limit holds fewer.
    """
    chosen = {"rounds": rounds, "preset": preset}
    runs = [_run(setup, limit, until, chosen) for limit in limits]
    rows = [
        (
            mib(run["limit"]),
            run["peak_mib"] / (run["limit"] / MIB),
            run["peak_mib"],
            run["seconds"],
            run["spilled_mib"],
            f"{run['rows']:,}" if run["rows"] else "-",
            run["tables"] or "-",
            run["result"] or "-",
            run["verdict"],
        )
        for run in runs
    ]
    table = Table(
        f"preset {preset}, from raw files to {until}: peak of the largest process, the most that DuckDB spilled, "
        "digests of tables and factors, and of the result",
        ("limit", "peak / limit", "peak MiB", "seconds", "spilled MiB", "ranker's rows", "tables", "result", "verdict"),
        rows,
    )
    held = sum(run["verdict"] == "held" for run in runs)
    same = same_results(runs)
    headline = f"limit  held {held} of {len(runs)}; {'the same results' if same else 'THE RESULTS DIFFER'}"
    data = {
        "until": until,
        "raw": str(setup.raw),
        "matrix": setup.matrix,
        "threads": setup.threads,
        **chosen,
        "same": same,
        "runs": runs,
    }
    return Report("limit", headline, [table], data, passed=same and held == len(runs))


def same_results(runs: Sequence[dict[str, Any]]) -> bool:
    """Whether runs that made tables made the same, and those that learned from as many rows have the same result."""
    made = [run for run in runs if not run["verdict"].startswith(FAILED)]
    results = {(run["rows"], run["result"]) for run in made}
    return len({run["tables"] for run in made}) <= 1 and len(results) == len({rows for rows, _ in results})


def _run(setup: Setup, limit: int, until: Until, chosen: dict[str, Any]) -> dict[str, Any]:
    folder = setup.fresh(f"limit-{limit // MIB}")
    work = folder / "work"
    options = setup.options(work, memory_limit=f"{limit}B", **chosen)
    with SpillWatch(work) as spill:
        measured = setup.measure(module(*COMMANDS[until], *options), folder=folder, check=False)
    if measured.code != 0:
        last = (measured.stderr or measured.stdout).strip().splitlines()[-1:]
        setup.progress.say(f"  at {mib(limit)}: exit {measured.code} {' '.join(last)}")
        verdict = f"{FAILED} (exit {measured.code})"
    else:
        verdict = "held" if measured.peak_bytes <= limit else "OVER"
    setup.progress.say(f"  {mib(limit):>12}  {measured.seconds:7.1f} s  {verdict}")
    found = {
        "limit": limit,
        **measured.figures(),
        "spilled_mib": round(spill.most / MIB, 1),
        "verdict": verdict,
        "rows": ranker_rows(work, chosen["preset"]),
        "tables": _digest_of(made_of_every_row(work, chosen["preset"])),
        "result": _digest_of([file for file in folder.iterdir() if file.is_file()]),
    }
    shutil.rmtree(folder)
    return found


def ranker_rows(work: Path, preset: str) -> int:
    """Rows that the ranker learned and validated on; 0 where there is none."""
    record = work / "models" / f"ranker_{preset}" / "ranker.json"
    if not record.is_file():
        return 0
    told = json.loads(record.read_text(encoding="utf-8"))
    return int(told["train_rows"] + told["validation_rows"])


def made_of_every_row(work: Path, preset: str) -> list[Path]:
    """The tables that do not depend on the memory limit, and the factors."""
    # What the ranker learns from and what follows it: a sample, where memory has no room for all.
    learned = {"ranker_train", "label_sample", f"scores_{preset}"}
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
