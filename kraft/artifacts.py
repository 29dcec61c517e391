"""Names of what a work folder holds beside its tables: models and scores, one of each a preset."""

from typing import Final

ALS: Final = "als"
WATCH_TIME: Final = "watch_time"
"""One model for every preset that has one."""
RANKER: Final = "ranker"
SCORES: Final = "scores"
TRAINING_SAMPLE: Final = "training_sample"
"""Table of the pairs that the ranker learns from, where they are not all."""


def artifact_name(kind: str, preset: str) -> str:
    """Name of a preset's model or scores in the work folder.

    >>> artifact_name(RANKER, "kraft")
    'ranker_kraft'
    """
    return f"{kind}_{preset}"
