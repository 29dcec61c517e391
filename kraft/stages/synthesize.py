"""The stage that writes a synthetic log."""

from pathlib import Path
from typing import Literal

from kraft.engine.process.progress import QUIET, Progress
from kraft.engine.process.stage import PARALLEL, Record, stage


class Synthesize(Record):
    """What `synthesize_log` is asked; each field, and its default, as of `kraft.logs.synthetic.synthesize`."""

    to: Path
    users: int | None = None
    items: int | None = None
    scale: int | None = None
    seed: int | None = None
    file_format: Literal["csv", "parquet"] | None = None
    with_oracle: bool | None = None
    with_big: bool | None = None
    verbosity: int = QUIET


class Synthesized(Record):
    """What `synthesize_log` made."""

    rows: dict[str, int]
    """File stem -> rows."""
    seconds: float


@stage(Synthesize, Synthesized, PARALLEL)
def synthesize_log(arguments: Synthesize) -> Synthesized:
    """Write a synthetic log into a folder."""
    from kraft.logs.synthetic import synthesize

    chosen = arguments.model_dump(exclude={"to", "verbosity"}, exclude_none=True)
    summary = synthesize(arguments.to, **chosen, progress=Progress(arguments.verbosity))
    return Synthesized(rows=summary.rows, seconds=summary.seconds)
