"""`validation.random_rows` in its own process: scikit-learn and its lists of rows are no part of the
memory of the process that trains.
"""

from base64 import b64decode, b64encode

import numpy as np
import numpy.typing as npt

from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.process.worker import run
from kraft.models.ranker.validation import SplitRows, check_labels, random_rows

Bits = npt.NDArray[np.bool_]


class DrawRows(Record):
    """What `draw_rows` is asked."""

    rows: int
    labels: str
    """A bit a row."""
    fraction: float
    seed: int


class RowsDrawn(Record):
    """What `draw_rows` drew."""

    validation: str
    """A bit a row."""


def random_rows_apart(labels: Bits, fraction: float, seed: int) -> SplitRows:
    """As `random_rows`, drawn by another process."""
    # Here: an error of that process would come back without the counts.
    check_labels(labels, fraction)
    asked = DrawRows(rows=len(labels), labels=_text(labels), fraction=fraction, seed=seed)
    validation = _bits(run(draw_rows, asked).result.validation, len(labels))
    return SplitRows(*(np.flatnonzero(part).astype(np.int32) for part in (~validation, validation)))


@stage(DrawRows, RowsDrawn, LOW_MEMORY)
def draw_rows(arguments: DrawRows) -> RowsDrawn:
    """The other process."""
    labels = _bits(arguments.labels, arguments.rows)
    validation = np.zeros(len(labels), dtype=np.bool_)
    validation[random_rows(labels, arguments.fraction, arguments.seed).validation] = True
    return RowsDrawn(validation=_text(validation))


def _text(bits: Bits) -> str:
    return b64encode(np.packbits(bits).tobytes()).decode()


def _bits(text: str, count: int) -> Bits:
    return np.unpackbits(np.frombuffer(b64decode(text), dtype=np.uint8), count=count).astype(np.bool_)
