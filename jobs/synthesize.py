"""Make synthetic KuaiRec data: `python -m jobs.synthesize`."""

import shlex
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from jobs._command import run
from kraft.engine.process.memory import Budget, mib, peak_bytes
from kraft.engine.process.progress import Progress
from kraft.settings import MIB, InputPath, OutputFolder, usable_cores

LOGS = ("small_matrix", "big_matrix")


class Options(BaseModel):
    """Write synthetic KuaiRec data: the same seven files and quirks, made-up people and videos.

    The defaults give small_matrix at its full size (4.7 M rows) and big_matrix (12.5 M rows).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    to: OutputFolder = Path("data/synthetic")
    """Folder to write to. Synthetic files there are replaced, others never."""
    users: Annotated[int, Field(ge=10)] = 1411
    """Users of small_matrix."""
    items: Annotated[int, Field(ge=50)] = 3327
    """Videos of small_matrix."""
    scale: Annotated[int, Field(ge=1)] = 1
    """Multiplies the users, and so the rows."""
    seed: Annotated[int, Field(ge=0)] = 42
    """The same seed gives the same bytes."""
    format: Literal["csv", "parquet"] = "csv"
    """Of all seven files."""
    logs: Literal["both", "small"] = "both"
    """small leaves out big_matrix, nearly three quarters of all rows; the other files are the same bytes."""
    side_tables: InputPath | None = None
    """Folder with real side tables: taken as they are; only what is missing is made up."""
    with_oracle: bool = False
    """Also write oracle.parquet: the true probability that each row of small_matrix is positive, at the default
    threshold of 1.0. No job reads it."""
    check: bool = False
    """Hold the files against KuaiRec's statistics and print each; exit 1 where one is off."""
    memory_limit: ByteSize = ByteSize(1024 * MIB)
    """Memory for --check."""
    quiet: bool = False
    """Print only results and errors."""
    verbose: bool = False
    """Also print details."""


def main(options: Options) -> int:
    from kraft.logs.synthetic import synthesize
    from kraft.logs.synthetic.generator import ORACLE

    progress = Progress(-1 if options.quiet else int(options.verbose))
    summary = synthesize(
        options.to,
        users=options.users,
        items=options.items,
        scale=options.scale,
        seed=options.seed,
        file_format=options.format,
        side_tables_from=options.side_tables,
        with_oracle=options.with_oracle,
        with_big=options.logs == "both",
        progress=progress,
    )
    written = [f"{summary.rows[log]:,} rows of {log}" for log in LOGS if log in summary.rows]
    print(f"synthesize  {', '.join(written)} -> {options.to}   {summary.seconds:.1f} s   peak {mib(peak_bytes())}")
    for stem, rows in summary.rows.items():
        note = "   true probabilities of small_matrix, in oracle.parquet" if stem == ORACLE else ""
        print(f"  {stem:<26} {rows:>12,} rows{note}")
    for stem in summary.taken:
        print(f"  {stem:<26} taken as it is from {options.side_tables}")
    off = _check(options) if options.check else 0
    print(f"next      python -m jobs.score --raw {shlex.quote(str(options.to))} --out submission.parquet")
    return 1 if off else 0


def _check(options: Options) -> int:
    """Print every calibrated statistic; returns how many are off."""
    from kraft.logs.synthetic.calibration import calibrate
    from kraft.logs.synthetic.statistic import HEADER

    print(HEADER)
    with TemporaryDirectory(dir=options.to, prefix=".check-") as scratch:
        statistics = calibrate(options.to, Path(scratch), Budget(options.memory_limit), usable_cores())
    for statistic in statistics:
        print(statistic.line())
    off = sum(not statistic.ok for statistic in statistics)
    print(f"{len(statistics) - off} of {len(statistics)} statistics within tolerance")
    return off


if __name__ == "__main__":
    run(Options, main)
