"""The fitted factors as an artefact: saved, loaded, gathered by row. How they come about is `als`'s business."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from kraft.errors import InputError, KraftError
from kraft.settings import AlsSettings

FloatMatrix = NDArray[np.float32]
Ids = NDArray[np.int32]


class IndexOutOfFactors(KraftError):  # noqa: N818 - says what is wrong, as the family's other names do
    """A row of factors was asked for that does not exist: a table and the factors do not belong together."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Fitted factors and how they were made. A score is ``user[u] @ item[i]``; about 1 where likely positive."""

    user: FloatMatrix
    """float32, shape (n_users, n_factors); a zero row for a user without a stored pair."""
    item: FloatMatrix
    """float32, shape (n_items, n_factors); the same for items."""
    solver: str
    """implicit or dense; spark where Spark fitted them."""
    density: float
    """Stored pairs / (n_users x n_items)."""
    pages_seconds: float
    """Time to write the matrix to disk [s]."""
    sweeps_seconds: float
    """Time of all sweeps [s]."""

    def save(self, folder: Path, user_ids: Ids, item_ids: Ids, settings: AlsSettings) -> None:
        """Write the factors, the ids of their rows and als.json (settings and facts) into ``folder``.

        Args:
            folder: is made if it is not there.
            user_ids: shape (n_users,); the id of each row of ``user``.
            item_ids: shape (n_items,); the id of each row of ``item``.
            settings: what the factors were fitted with.

        Raises:
            ValueError: there is not one id a row.
        """
        if len(user_ids) != len(self.user) or len(item_ids) != len(self.item):
            raise ValueError(
                f"{len(user_ids)} and {len(item_ids)} ids for {len(self.user)} users and {len(self.item)} items"
            )
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "user_factors.npy", self.user, allow_pickle=False)
        np.save(folder / "item_factors.npy", self.item, allow_pickle=False)
        np.save(folder / "user_ids.npy", user_ids.astype(np.int32), allow_pickle=False)
        np.save(folder / "item_ids.npy", item_ids.astype(np.int32), allow_pickle=False)
        facts = {
            "solver": self.solver,
            "density": self.density,
            "pages_seconds": self.pages_seconds,
            "sweeps_seconds": self.sweeps_seconds,
            "settings": settings.model_dump(mode="json"),
        }
        (folder / "als.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, mmap: bool = False) -> Self:
        """The factors that `save` wrote.

        Args:
            folder: where they are.
            mmap: map them read-only instead of reading them; for factors larger than memory.

        Raises:
            InputError: a file is missing, damaged, or does not belong to the others.
        """
        mode: Literal["r"] | None = "r" if mmap else None
        try:
            facts = json.loads((folder / "als.json").read_text(encoding="utf-8"))
            user, item = (
                np.load(folder / f"{side}_factors.npy", mmap_mode=mode, allow_pickle=False) for side in ("user", "item")
            )
            numbers = (float(facts[name]) for name in ("density", "pages_seconds", "sweeps_seconds"))
            loaded = cls(user, item, str(facts["solver"]), *numbers)
            width = int(facts["settings"]["factors"])
        except (OSError, EOFError, ValueError, KeyError, TypeError) as reason:
            raise _damaged(folder, str(reason)) from reason
        for name, matrix in (("user", user), ("item", item)):
            if matrix.dtype != np.float32 or matrix.shape[1:] != (width,):
                raise _damaged(folder, f"{name}_factors.npy is not a float32 matrix of {width} columns")
        return loaded


def gather_factors(factors: FloatMatrix, index: NDArray[np.int32] | NDArray[np.int64]) -> FloatMatrix:
    """Rows of ``factors`` for each entry of ``index``; zeros if the entity was not in train.

    Args:
        factors: float32, shape (n_entities, n_factors), from `fit`.
        index: shape (n_rows,); 0-based row of ``factors``, or -1 for an unknown entity.

    Returns:
        float32, shape (n_rows, n_factors). A copy: ``factors`` may be memory-mapped read-only.

    Raises:
        IndexOutOfFactors: an index is n_entities or more, or below -1; names the first such row.

    Zeros for unknown entities are what the documented pipeline gives its ranker.
    """
    wrong = (index < -1) | (index >= len(factors))
    if wrong.any():
        row = int(wrong.argmax())
        raise IndexOutOfFactors(
            f"row {row:,} asks for factors {int(index[row]):,}, but there are {len(factors):,}",
            "The table and the ALS model do not belong together: train again with --force.",
        )
    gathered = np.zeros((len(index), factors.shape[1]), dtype=np.float32)
    known = index >= 0
    if known.all():
        np.take(factors, index, axis=0, out=gathered, mode="clip")
    else:
        gathered[known] = factors[index[known]]
    return gathered


def _damaged(folder: Path, reason: str) -> InputError:
    return InputError(f"{folder}: not a whole ALS model ({reason})", "Fit it again with python -m jobs.train --force.")
