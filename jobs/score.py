"""Score pairs of users and videos: `python -m jobs.score --out submission.parquet`."""

from jobs._command import run
from kraft.errors import InputError
from kraft.settings import InputPath, OutputTable, Settings, Url


class Options(Settings):
    """Score every test pair (or the pairs of a file) and write user_id, item_id, score.

    Brings up to date whatever it needs: tables, factors, ranker. Without --raw and without a `data` folder,
    it makes small synthetic KuaiRec data and uses that.
    """

    out: Url | OutputTable
    """File to write: Parquet, or CSV where the name ends in .csv, .csv.gz or .csv.zst; with --engine spark also a URL
    (hdfs://, s3a://), of a folder of Parquet parts."""
    pairs: InputPath | None = None
    """CSV or Parquet file with the columns user_id and item_id (or video_id): score these pairs instead of the test
    pairs."""


def main(options: Options) -> None:
    from kraft.artifacts import SCORES
    from kraft.pipeline.pipeline import Pipeline

    if options.pairs is not None and not options.pairs.is_file():
        raise InputError(f"--pairs {options.pairs}: no such file")
    with Pipeline(options) as pipeline:
        if options.pairs is None:
            pipeline.export(options.out)
            rows = pipeline.store.manifest()[pipeline.preset.artifact(SCORES)]["rows"]
            outcome, following = f"{rows:,} test pairs -> {options.out}", "python -m jobs.evaluate"
        else:
            rows = pipeline.score_pairs(options.pairs, options.out).rows
            outcome, following = f"{rows:,} pairs of {options.pairs} -> {options.out}", "python -m jobs.evaluate"
        print(pipeline.summary("score", outcome, following))


if __name__ == "__main__":
    run(Options, main)
