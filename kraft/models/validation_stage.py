"""`kraft.models.validation.random_rows` in a process of its own: scikit-learn and its lists of rows are no part of the
memory of the process that trains.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kraft.engine.isolation import THRIFTY, run_stage
from kraft.models.validation import SplitRows, random_rows

Bits = npt.NDArray[np.bool_]


def random_rows_apart(labels: Bits, fraction: float, seed: int) -> SplitRows:
    """As `random_rows`, drawn by another process."""
    asked = {"rows": len(labels), "labels": _text(labels), "fraction": fraction, "seed": seed}
    drawn = run_stage(f"{__name__}:draw", asked, environment=THRIFTY)
    validation = _bits(drawn["validation"], len(labels))
    return SplitRows(*(np.flatnonzero(part).astype(np.int32) for part in (~validation, validation)))


def draw(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The other process: `rows`, `labels` (a bit a row), `fraction` and `seed` to `validation` (a bit a row)."""
    labels = _bits(arguments["labels"], arguments["rows"])
    validation = np.zeros(len(labels), dtype=np.bool_)
    validation[random_rows(labels, arguments["fraction"], arguments["seed"]).validation] = True
    return {"validation": _text(validation)}


def _text(bits: Bits) -> str:
    return b64encode(np.packbits(bits).tobytes()).decode()


def _bits(text: str, count: int) -> Bits:
    return np.unpackbits(np.frombuffer(b64decode(text), dtype=np.uint8), count=count).astype(np.bool_)
