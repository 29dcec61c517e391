"""What a job reports of the rows that `kraft.engine.quarantine.screening` quarantined."""

# Pydantic reads these fields, and Python 3.11's own TypedDict does not tell it of them all.
from typing_extensions import TypedDict


class Quarantined(TypedDict):
    """What was quarantined of one raw file."""

    quarantined: int
    """Rows that were."""
    read: int
    """Rows of the file."""
    reason: str
    """The rule that most of them break."""
    often: int
    """How many break it."""
    example: str
    """The first of these: its line or row, the column, the value."""
