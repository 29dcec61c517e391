"""Build every table from the raw files: `python -m jobs.build_features`."""

from jobs._command import run
from kraft.settings import Settings


class Options(Settings):
    """Build the tables: typed interactions, chronological split, counts, and the ranker's features.

    Reads KuaiRec's files as CSV or Parquet (--raw), writes Parquet tables and a DuckDB catalog to --work.
    What is up to date is kept.
    """


def main(options: Options) -> None:
    from kraft.pipeline.pipeline import Pipeline

    with Pipeline(options) as pipeline:
        made = pipeline.build()
        tables = len(made.built) + len(made.reused)
        outcome = f"{made.interactions:,} interactions -> {tables} tables in {options.work / 'tables'}"
        query = f"python -m jobs.train   or query   duckdb {options.work / 'kraft.duckdb'}"
        print(pipeline.summary("build_features", outcome, query))


if __name__ == "__main__":
    run(Options, main)
