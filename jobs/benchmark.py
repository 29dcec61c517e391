"""Measure KRAFT: `python -m jobs.benchmark limit`."""

import json
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, TypeAdapter, ValidationError

from jobs._command import POSITIONAL, run
from kraft.benchmark.run_stages import Until
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.settings import MIB, InputPath, OutputFile, PresetName, WorkFolder, usable_cores

What = Literal["preparation", "peers", "limit", "growth", "quality", "engines"]
OWN_DATA: tuple[What, ...] = ("growth", "quality")
"""What makes its own data."""
NOT_RECORDED = ("--record", "--quiet", "-q", "--verbose", "-v")


class Options(BaseModel):
    """Measure KRAFT on this machine; every process from outside, every comparison by turns.

    preparation  from raw files to where training can start, against pandas and implicit ([bench])
    peers        from raw files to metrics, against pandas, implicit and LightGBM ([bench])
    limit        peak memory against the limit, time and spilled bytes, at each of --limits
    growth       seconds and peak of every stage at --scales, and how both grow with the rows
    quality      both presets on fresh synthetic data, against its true probabilities
    engines      every stage by DuckDB and by Spark, and what Spark takes for a single row ([spark])

    Prints tables and writes JSON. Exit code 1 where a check is not met.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    what: Annotated[What, POSITIONAL]
    """What to measure."""
    raw: InputPath | None = None
    """Folder with KuaiRec's files. Default: synthetic data of full size, made once in the work folder."""
    work: WorkFolder = Path("work")
    """Folder to work in: everything is made in its folder `benchmark`."""
    out: OutputFile | None = None
    """JSON file for every figure. Default: benchmark-WHAT.json in the work folder."""
    matrix: Literal["small", "big"] = "small"
    """The interaction log (growth and quality make their own)."""
    memory_limit: ByteSize = ByteSize(1024 * MIB)
    """KRAFT's limit (limit has its own)."""
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=usable_cores)
    """Threads of both sides. Default: the cores of this machine."""
    repeats: Annotated[int, Field(ge=1)] = 3
    """preparation, peers, growth, engines: runs of each side, or scale."""
    limits: str = "512MiB,1GiB"
    """limit: memory limits, separated by commas."""
    scales: str = "1,2,4"
    """growth: what the users are multiplied by, separated by commas."""
    format: str = "csv,parquet"
    """growth: formats of the data, separated by commas."""
    until: Until | None = None
    """limit, growth: the last stage to run. Default: recommend for growth, score for limit."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """Boosting rounds. Default: the preset's."""
    preset: PresetName | None = None
    """limit, growth, engines: the models' preset. Default: documented for limit, else kraft."""
    master: str = "local[*]"
    """engines: Spark's master. Default: the cores of this machine."""
    driver_memory: ByteSize = ByteSize(2048 * MIB)
    """engines: heap of the driver's Java, unless PYSPARK_SUBMIT_ARGS is set; what the executors of a cluster may take
    is said in its spark-defaults.conf."""
    users: Annotated[int, Field(ge=10)] = 1411
    """quality, growth: users of the synthetic data, for growth at scale 1."""
    items: Annotated[int, Field(ge=50)] = 3327
    """growth: videos of small_matrix."""
    scale: Annotated[int, Field(ge=1)] = 1
    """quality: multiplies the users."""
    twin_seed: Annotated[int, Field(ge=0)] = 1
    """quality, growth: seed of the synthetic data."""
    record: bool = False
    """Write the tables to kraft/benchmark/RESULTS.md, with the date and the machine."""
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


def questions() -> dict[What, ModuleType]:
    """What can be measured, and the module that measures it."""
    from kraft.benchmark import engines, growth, limit, peers, quality

    return {
        "preparation": peers,
        "peers": peers,
        "limit": limit,
        "growth": growth,
        "quality": quality,
        "engines": engines,
    }


def main(options: Options) -> int:
    from kraft.benchmark import results
    from kraft.benchmark.setup import Setup, raw_folder
    from kraft.engine.workspace.store import write_whole

    Budget(options.memory_limit)
    given = _parsed(options)
    progress = Progress(-1 if options.quiet else int(options.verbose))
    work = options.work.resolve()
    folder = work / "benchmark"
    raw = folder if options.what in OWN_DATA else raw_folder(options.raw, folder / "synthetic", progress)
    folder.mkdir(parents=True, exist_ok=True)
    setup = Setup(raw, folder, options.memory_limit, options.threads, progress, options.matrix)
    question = questions()[options.what]
    plan = question.Plan(**{name: given[name] for name in question.Plan._fields if name in given})
    report = question.run(setup, plan)
    out = options.out or work / options.figures_file.name
    facts = {"options": options.model_dump(mode="json"), "raw": str(raw), "plan": plan._asdict()}
    text = json.dumps(facts | report.as_json(), indent=2) + "\n"
    write_whole(out, lambda draft: draft.write_text(text, encoding="utf-8"))
    print(report)
    print(f"\nbenchmark {options.what}  {'passed' if report.passed else 'FAILED'} -> {out}")
    if options.record:
        words = [word for word in sys.argv[1:] if word not in NOT_RECORDED]
        results.record(report, f"jobs.benchmark {shlex.join(words)}")
        print(f"recorded in {results.RESULTS}")
    return 0 if report.passed else 1


def _parsed(options: Options) -> dict[str, Any]:
    """The options by the names that the questions' plans have; without those that are left to their defaults.

    Raises:
        InputError: a limit is not a size, a scale is no whole number above 0, or a format is neither csv nor parquet.
    """
    scales = [part.strip() for part in options.scales.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in scales):
        raise InputError(f"--scales {options.scales}: not whole numbers above 0", "For example: --scales 1,2,4")
    formats = [part.strip() for part in options.format.split(",")]
    if not set(formats) <= {"csv", "parquet"}:
        raise InputError(f"--format {options.format}: only csv and parquet are known", "For example: --format csv")
    return options.model_dump(exclude_none=True) | {
        "limits": parse_limits(options.limits),
        "scales": sorted({int(part) for part in scales}),
        "formats": list(dict.fromkeys(formats)),
    }


def parse_limits(text: str) -> list[int]:
    """The memory limits of --limits, in bytes.

    Raises:
        InputError: one is not a size, or less than KRAFT can work in.
    """
    sizes = []
    for part in text.split(","):
        try:
            sizes.append(int(TypeAdapter(ByteSize).validate_python(part.strip())))
        except ValidationError:
            raise InputError(
                f"--limits {text}: '{part.strip()}' is not a size", "For example: --limits 512MiB,1GiB"
            ) from None
        Budget(sizes[-1])
    return sizes


if __name__ == "__main__":
    run(Options, main)
