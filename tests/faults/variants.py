"""The same raw data in another form: rows shuffled, or Parquet instead of CSV."""

from pathlib import Path

from kraft.engine import frames
from kraft.errors import InputError

READ_BY_TABLES = ("user_features", "item_categories")
"""The side tables that tables are made of; with the log, all that a variant changes."""
SHUFFLE_SEED = 7


def shuffled(raw: Path, to: Path, matrix: str) -> None:
    """Write the files that tables are made of to ``to``, their rows in another order, their text as it is.

    Raises:
        InputError: a file is missing.
    """
    for stem in (f"{matrix}_matrix", *READ_BY_TABLES):
        source = _source(raw, stem)
        # As text, so that no number is written in another way than the file has it.
        is_csv = source.suffix == ".csv"
        rows = frames.read_csv(source, infer_schema=False) if is_csv else frames.read_parquet(source)
        rows = rows.sample(fraction=1, shuffle=True, seed=SHUFFLE_SEED)
        if is_csv:
            rows.write_csv(to / source.name)
        else:
            rows.write_parquet(to / source.name)


def other_format(raw: Path, to: Path, matrix: str) -> None:
    """Write the files that tables are made of to ``to`` as Parquet where they are CSV, as CSV where Parquet.

    Raises:
        InputError: a file is missing.
    """
    for stem in (f"{matrix}_matrix", *READ_BY_TABLES):
        source = _source(raw, stem)
        if source.suffix == ".csv":
            frames.read_csv(source, infer_schema_length=None).write_parquet(to / f"{stem}.parquet")
        else:
            frames.read_parquet(source).write_csv(to / f"{stem}.csv")


def _source(raw: Path, stem: str) -> Path:
    for kind in ("parquet", "csv"):
        path = raw / f"{stem}.{kind}"
        if path.is_file():
            return path
    raise InputError(f"{raw}: {stem}.csv (or .parquet) is not there")
