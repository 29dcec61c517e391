"""Whether the results depend on what they must not: the order of rows, the format, threads, the memory limit."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kraft.benchmark import variants
from kraft.benchmark.limit import COMMANDS, digest
from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.rounds import trees
from kraft.benchmark.setup import Setup
from kraft.benchmark.walk import Until
from kraft.data.tables import TABLES
from kraft.engine import frames
from kraft.errors import InputError
from kraft.settings import MIB

DIFFERENT = "DIFFERENT"
DIGITS = 4
"""Decimals in which metrics have to be equal."""


ALL_ROWS = 10**12
"""Rows to learn from: how many have room would depend on the limit."""


@dataclass(frozen=True)
class Variant:
    """One way to run the same thing."""

    name: str
    threads: int = 2
    limit: int = 1024 * MIB
    data: Callable[[Path, Path, str], None] | None = None
    """Writes the raw data in another form; None for the data as it is."""
    with_ranker: bool = True


VARIANTS = (
    Variant("2 threads, 1 GiB"),
    Variant("rows shuffled", data=variants.shuffled),
    Variant("Parquet for CSV", data=variants.other_format),
    Variant("1 thread", threads=1),
    Variant("4 GiB", limit=4096 * MIB),
    # The ranker's binned rows alone take about 600 MiB.
    Variant("512 MiB, to ALS", limit=512 * MIB, with_ranker=False),
)
"""The first is what the others are compared with."""


def run(setup: Setup, until: Until, rounds: int | None) -> Report:
    """Run each variant from scratch and compare table files, factors, trees and metrics with the first's.

    Args:
        setup: data and folder; threads and limit are the variants'.
        until: build, als or score, the last stage that runs; score goes on to the metrics.
        rounds: of the ranker; None for the preset's.

    Raises:
        InputError: ``until`` is another stage.
    """
    if until not in {"build", "als", "score"}:
        raise InputError(f"--until {until}: invariance goes to build, als or score", "score includes the metrics.")
    kept = setup.fresh("invariance-first")
    results = [_run(setup, variant, until, rounds, kept) for variant in VARIANTS]
    shutil.rmtree(kept)
    first = results[0]
    lines = [_line(result, first) for result in results]
    broken = [line["variant"] for line in lines if DIFFERENT in line["tables"] or line["metrics"] == DIFFERENT]
    table = Table(
        f"against {VARIANTS[0].name}; {len(first['tables'])} tables, metrics to {DIGITS} decimals",
        ("", "tables", "metrics", "factors", "trees", "seconds", "peak MiB"),
        [tuple(line.values()) for line in lines],
    )
    outcome = f"{DIFFERENT}: {', '.join(broken)}" if broken else "identical tables and metrics in every variant"
    data = {"raw": str(setup.raw), "rounds": rounds, "variants": results, "verdicts": lines}
    return Report("invariance", f"invariance  {outcome}", [table], data, passed=not broken)


def _run(setup: Setup, variant: Variant, until: Until, rounds: int | None, kept: Path) -> dict[str, Any]:
    """Run one variant. The first one's tables are moved to ``kept``, the others' compared with them."""
    here = replace(setup, threads=variant.threads, memory_limit=variant.limit)
    folder = here.fresh("variant")
    if variant.data is not None:
        raw = folder / "raw"
        raw.mkdir()
        variant.data(setup.raw, raw, setup.matrix)
        here = replace(here, raw=raw)
    work = folder / "work"
    options = here.options(work, rounds=rounds, train_rows=ALL_ROWS)
    with_ranker = until == "score" and variant.with_ranker
    job = ("jobs.evaluate",) if with_ranker else COMMANDS["als" if until == "score" else until]
    measured = here.measure(module(*job, *options), folder=folder)
    setup.progress.say(f"  {variant.name:<18} {measured.seconds:7.1f} s")
    tables = {name: work / "tables" / f"{name}.parquet" for name in TABLES["seed"]}
    result = {
        "variant": variant.name,
        **measured.figures(),
        "tables": {name: digest(path) for name, path in tables.items()},
        "rows_differ": [name for name, path in tables.items() if not same_rows(path, kept / path.name)],
        "factors": {path.name: digest(path) for path in sorted((work / "models" / "als_seed").glob("*.npy"))},
        "trees": _trees(work) if with_ranker else "",
        "metrics": _metrics(work / "evaluation.json") if with_ranker else {},
    }
    if not list(kept.iterdir()):
        for path in tables.values():
            path.rename(kept / path.name)
    shutil.rmtree(folder)
    return result


def same_rows(path: Path, expected: Path) -> bool:
    """Whether two Parquet files hold the same columns, types and rows in the same order; True without the second.

    Equal rows may be other bytes: DuckDB marks a column that it knows to be without NULLs as required, and it
    knows that of a Parquet file, not of a CSV file.
    """
    if not expected.is_file() or digest(path) == digest(expected):
        return True
    ours, theirs = frames.read_parquet(path), frames.read_parquet(expected)
    return ours.schema == theirs.schema and ours.equals(theirs)


def _metrics(path: Path) -> dict[str, float | None]:
    """Every number of the report under the path to it, rounded."""
    found: dict[str, float | None] = {}

    def walk(place: str, value: object) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                walk(f"{place}.{name}", part)
        elif isinstance(value, list):
            for number, part in enumerate(value):
                walk(f"{place}.{number}", part)
        elif isinstance(value, int | float):
            found[place] = round(value, DIGITS)

    walk("", json.loads(path.read_text(encoding="utf-8")))
    return found


def _line(result: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    different = result["rows_differ"]
    changed = [name for name, found in result["tables"].items() if found != first["tables"][name]]
    return {
        "variant": result["variant"],
        "tables": f"{DIFFERENT}: {', '.join(different)}" if different else f"same {'rows' if changed else 'bytes'}",
        "metrics": _verdict(result["metrics"], first["metrics"]),
        # Told, not judged: their last bits may differ where the metrics do not.
        "factors": "same" if result["factors"] == first["factors"] else "other bits",
        "trees": _verdict(result["trees"], first["trees"]).lower(),
        "seconds": result["seconds"],
        "peak_mib": result["peak_mib"],
    }


def _verdict(found: object, expected: object) -> str:
    if not found:
        return "-"
    return "same" if found == expected else DIFFERENT


def _trees(work: Path) -> str:
    """Digest of the ranker's trees."""
    return hashlib.sha256(trees(work / "models" / "ranker_seed" / "ranker.txt").encode()).hexdigest()
