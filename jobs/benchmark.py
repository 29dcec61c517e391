"""Measure KRAFT: `python -m jobs.benchmark preparation`."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_settings import CliPositionalArg

from jobs._command import run
from kraft.benchmark import (
    candidates,
    engines,
    growth,
    invariance,
    limit,
    pages,
    peers,
    preparation,
    quality,
    recommend,
    rounds,
    stages,
    trials,
)
from kraft.benchmark.report import Report
from kraft.benchmark.setup import Setup, raw_folder
from kraft.benchmark.walk import Until
from kraft.engine.budget import Budget
from kraft.engine.progress import Progress
from kraft.engine.store import write_whole
from kraft.errors import InputError
from kraft.settings import MIB, InputPath, OutputFile, WorkFolder, usable_cores

What = Literal[
    "preparation",
    "peers",
    "limit",
    "growth",
    "rounds",
    "invariance",
    "quality",
    "ablation",
    "als",
    "trials",
    "recommend",
    "candidates",
    "pages",
    "stages",
    "engines",
]
OWN_DATA: tuple[What, ...] = ("growth", "quality", "candidates")
"""What makes its own data."""


class Options(BaseModel):
    """Measure KRAFT on this machine; every process from outside, every comparison by turns.

    preparation  from raw files to where training can start, against pandas and implicit ([bench])
    peers        from raw files to metrics, against pandas, implicit and LightGBM ([bench])
    limit        peak memory against the limit, time and spilled bytes, at each of --limits
    growth       seconds and peak of every stage on twins of --scales, and how both grow with the rows
    rounds       seconds a round of the ranker, against LightGBM on a matrix in memory
    invariance   the same results from shuffled rows, Parquet, other threads and limits
    quality      both presets on a fresh twin, against its true probabilities
    ablation     the preset kraft's ranker without each group of features
    als          ALS alone with other settings
    trials       the preset kraft's ranker with other settings
    recommend    lists from 500 candidates, against lists from every video
    candidates   the first stage alone at 100,000 users x 50,000 videos, against NumPy
    stages       where the time goes, against its floor on this machine
    engines      every stage by DuckDB and by Spark, and what Spark takes for a single row ([spark])
    pages        jobs.explore and jobs.evaluate --html, all else up to date

    Prints a table and writes JSON. Exit code 1 where a promise was broken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    what: CliPositionalArg[What]
    """What to measure."""
    raw: InputPath | None = None
    """Folder with KuaiRec's files. Default: a synthetic twin at full size, made once in the work folder."""
    work: WorkFolder = Path("work")
    """Folder to work in: everything is made in its folder `benchmark`."""
    out: OutputFile | None = None
    """JSON file for every figure. Default: benchmark-WHAT.json in the work folder."""
    matrix: Literal["small", "big"] = "small"
    """The interaction log (growth, quality and candidates make their own)."""
    memory_limit: ByteSize = ByteSize(1024 * MIB)
    """KRAFT's limit (limit and invariance have their own)."""
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=usable_cores)
    """Threads of both sides (invariance has its own). Default: the cores of this machine."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """preparation, peers, rounds, growth, recommend, candidates, pages, engines: runs of each side, or size."""
    limits: str = "512MiB,1GiB"
    """limit: memory limits, separated by commas."""
    scales: str = "1,2,4"
    """growth: what the twin's users are multiplied by, separated by commas."""
    format: str = "csv,parquet"
    """growth: formats of the twin, separated by commas."""
    until: Until | None = None
    """limit, growth, invariance: the last stage to run. Default: recommend for growth, else score (invariance goes from
    score on to the metrics, and knows build and als beside it)."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """Boosting rounds. Default: 20 for rounds, elsewhere the preset's."""
    preset: Literal["kraft", "seed"] | None = None
    """limit, growth, stages, engines: the models' preset. Default: seed for limit, else kraft."""
    master: str = "local[*]"
    """engines: Spark's master. Default: the cores of this machine."""
    driver_memory: ByteSize = ByteSize(2048 * MIB)
    """engines: heap of the driver's Java, unless PYSPARK_SUBMIT_ARGS is set; what the executors of a cluster may take
    is said in its spark-defaults.conf."""
    users: Annotated[int, Field(ge=10)] = 1411
    """quality, growth: users of the twin, for growth at scale 1."""
    items: Annotated[int, Field(ge=50)] = 3327
    """growth: videos of small_matrix."""
    scale: Annotated[int, Field(ge=1)] = 1
    """quality: multiplies the users."""
    twin_seed: Annotated[int, Field(ge=0)] = 1
    """quality, growth: seed of the twin."""
    quiet: bool = False
    """Print only results and errors."""
    verbose: bool = False
    """Also print details."""

    def written(self) -> dict[str, Path]:
        """The figures where nothing else is said."""
        return {} if self.out else {"the figures": self.figures_file}

    @property
    def figures_file(self) -> Path:
        return self.out or self.work / f"benchmark-{self.what}.json"


DEFAULT_ROUNDS = 20


def main(options: Options) -> int:
    Budget(options.memory_limit)
    limits, plan = parse_limits(options.limits), _plan(options)
    progress = Progress(-1 if options.quiet else int(options.verbose))
    work = options.work.resolve()
    folder = work / "benchmark"
    raw = folder if options.what in OWN_DATA else raw_folder(options.raw, folder / "twin", progress)
    folder.mkdir(parents=True, exist_ok=True)
    setup = Setup(raw, folder, options.memory_limit, options.threads, progress, options.matrix)
    report = _measure(options, setup, limits, plan)
    out = options.out or work / options.figures_file.name
    text = json.dumps(report.as_json(), indent=2) + "\n"
    write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))
    print(report)
    print(f"\nbenchmark {options.what}  {'passed' if report.passed else 'FAILED'} -> {out}")
    return 0 if report.passed else 1


def _measure(options: Options, setup: Setup, limits: list[int], plan: growth.Plan) -> Report:
    twin = {"users": options.users, "scale": options.scale, "seed": options.twin_seed}
    until, preset = options.until or "score", options.preset or "seed"
    runs = {
        "preparation": lambda: preparation.run(setup, options.repeats),
        "peers": lambda: peers.run(setup, options.repeats, options.rounds),
        "limit": lambda: limit.run(setup, limits, until, options.rounds, preset),
        "growth": lambda: growth.run(setup, plan),
        "rounds": lambda: rounds.run(setup, options.repeats, options.rounds or DEFAULT_ROUNDS),
        "invariance": lambda: invariance.run(setup, until, options.rounds),
        "quality": lambda: quality.run(setup, twin, options.rounds),
        "ablation": lambda: trials.run(setup, "ablation", trials.ABLATION),
        "als": lambda: trials.run_als(setup),
        "trials": lambda: trials.run(setup, "trials", trials.TRIALS),
        "recommend": lambda: recommend.run(setup, options.repeats),
        "candidates": lambda: candidates.run(setup, options.repeats),
        "stages": lambda: stages.run(setup, options.preset or "kraft", options.rounds),
        "engines": lambda: engines.run(
            setup,
            engines.Cluster(options.master, options.driver_memory),
            options.preset or "kraft",
            options.repeats,
            options.rounds,
        ),
        "pages": lambda: pages.run(setup, options.repeats),
    }
    return runs[options.what]()


def _plan(options: Options) -> growth.Plan:
    """What `growth` runs.

    Raises:
        InputError: a scale is no whole number above 0, or a format is neither csv nor parquet.
    """
    scales = [part.strip() for part in options.scales.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in scales):
        raise InputError(f"--scales {options.scales}: not whole numbers above 0", "For example: --scales 1,2,4")
    formats = [part.strip() for part in options.format.split(",")]
    if not set(formats) <= {"csv", "parquet"}:
        raise InputError(f"--format {options.format}: only csv and parquet are known", "For example: --format csv")
    return growth.Plan(
        sorted({int(part) for part in scales}),
        list(dict.fromkeys(formats)),
        options.users,
        options.items,
        options.twin_seed,
        options.preset or "kraft",
        options.until or "recommend",
        options.rounds,
        options.repeats,
    )


def parse_limits(text: str) -> list[int]:
    """The memory limits of --limits, in bytes.

    Raises:
        InputError: one is no size, or less than KRAFT can work in.
    """
    sizes = []
    for part in text.split(","):
        try:
            sizes.append(int(TypeAdapter(ByteSize).validate_python(part.strip())))
        except ValidationError:
            raise InputError(
                f"--limits {text}: '{part.strip()}' is no size", "For example: --limits 512MiB,1GiB"
            ) from None
        Budget(sizes[-1])
    return sizes


if __name__ == "__main__":
    run(Options, main)
