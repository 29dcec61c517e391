"""Where KuaiRec's raw files are found. Apart from their contracts: a job looks for them without loading DuckDB."""

from pathlib import Path

USERS_STEM = "user_features"
"""The file by which the folder is known."""
STEMS = (
    "small_matrix",
    "big_matrix",
    USERS_STEM,
    "item_categories",
    "social_network",
    "item_daily_features",
    "kuairec_caption_category",
)
"""Of all seven files."""
PLACES = (".", "KuaiRec 2.0/data", "KuaiRec/data")
"""Where below --raw the files may be: the folder itself, or as KuaiRec.zip unpacks."""


def find_folder(raw: Path) -> Path | None:
    """The folder at or below ``raw`` that holds user_features, or None."""
    return next((raw / place for place in PLACES if find_file(raw / place, USERS_STEM)), None)


def find_file(folder: Path, stem: str) -> Path | None:
    """Parquet before CSV, where both are there: it is the faster of the two."""
    return next((path for kind in ("parquet", "csv") if (path := folder / f"{stem}.{kind}").is_file()), None)
