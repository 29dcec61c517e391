"""What each user should be shown next: `python -m jobs.recommend --out recommendations.parquet`."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from jobs._command import run
from kraft.errors import InputError
from kraft.formatting import pluralize
from kraft.settings import InputPath, OutputFile, OutputTable, Settings, Url


class Options(Settings):
    """The best videos for each user, in two stages: candidates from the whole catalogue, then the ranker.

    Writes user_id, rank, item_id, score and the sources that retrieved the video. Brings up to date what it needs.
    What a user has seen in the train period is left out: the models know no other.
    """

    out: Url | OutputTable
    """File to write: Parquet, or CSV where the name ends in .csv, .csv.gz or .csv.zst; with --engine spark also a URL
    (hdfs://, s3a://), of a folder of Parquet parts."""
    top: Annotated[int, Field(ge=1)] = 10
    """Videos a user."""
    candidates: Annotated[int, Field(ge=1)] | Literal["all"] = 500
    """Candidates a user for the ranker to choose from, or all: every video of the catalogue."""
    users: InputPath | None = None
    """CSV or Parquet file with the column user_id: only for these. Default: every user of the train period."""
    items: InputPath | None = None
    """CSV or Parquet file with the column item_id (or video_id): only of these. Default: every video that is known."""
    cold_users: Literal["error", "popular"] = "error"
    """Users of --users who are not in the train period: an error, or the popular and the new videos, ranked."""
    include_seen: bool = False
    """Leave in what the user has seen in the train period."""
    diversity: Annotated[float, Field(ge=0, le=1)] = 0
    """Variety of a list: 0 is by score alone, 1 takes the video next that is least like those before it, by
    categories and author."""
    evaluate: bool = False
    """Also evaluate both stages against the test period: candidates by source, and the lists against those from every
    video."""
    json_out: OutputFile | None = None
    """With --evaluate: also write the metrics to this JSON file. Default: recommendations.json in the work folder."""

    def written(self) -> dict[str, Path]:
        """The metrics, where --evaluate asks for them and nothing else is said."""
        return {} if self.json_out or not self.evaluate else {"the metrics": self.metrics_file}

    @property
    def metrics_file(self) -> Path:
        return self.json_out or self.work / "recommendations.json"


def main(options: Options) -> None:
    from kraft.engine.workspace.store import write_whole
    from kraft.pipeline.pipeline import Pipeline
    from kraft.pipeline.recommend import Request, recommend

    check(options)
    with Pipeline(options) as pipeline:
        request = Request(
            top=options.top,
            candidates=None if options.candidates == "all" else options.candidates,
            users=options.users,
            items=options.items,
            cold_users=options.cold_users,
            exclude_seen=not options.include_seen,
            diversity=options.diversity,
        )
        pipeline.check_given(("users", options.users), ("items", options.items))
        made, result = recommend(pipeline, request, options.out, evaluated=options.evaluate)
        if result:
            text = json.dumps(result.report, indent=2) + "\n"
            write_whole(options.metrics_file, lambda draft: draft.write_text(text, encoding="utf-8"))
            print(result.table)
            print()
        outcome = f"{made.rows:,} videos for {pluralize(made.users, 'user')} -> {options.out}"
        print(pipeline.summary("recommend", outcome, _next(options)))


def check(options: Options) -> None:
    """What can be wrong before any work.

    Raises:
        InputError: it is.
    """
    for name, path in (("users", options.users), ("items", options.items)):
        if path is not None and not path.is_file():
            raise InputError(f"--{name} {path}: no such file")
    if options.candidates != "all" and options.candidates < options.top:
        raise InputError(
            f"--candidates {options.candidates}: fewer than the {options.top} videos of a list",
            "Give at least as many, better some fifty times as many.",
        )
    if options.evaluate and options.users:
        raise InputError("--evaluate needs the lists of every user", "Leave out --users.")
    if options.json_out and not options.evaluate:
        raise InputError("--json-out is for the metrics of --evaluate", "Add --evaluate.")


def _next(options: Options) -> str:
    user = "U" if options.users else "0"
    return f"python -m jobs.explain --user {user} --top 3"


if __name__ == "__main__":
    run(Options, main)
