"""The fitted watch time model as an artefact: saved, loaded, asked. How it comes about is `watch_time`'s business.

Apart from it, because the ranker's stage asks the model and has no room for the libraries that fit it.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kraft.errors import InputError

Floats = NDArray[np.float32]
Index = NDArray[np.int32]

_ARRAYS = ("user", "user_variance", "video", "video_variance")


@dataclass(frozen=True, eq=False)
class WatchTimeModel:
    """The fitted model. Column 0 of each matrix is the level, the others are taste or style."""

    user: Floats
    """Posterior means, shape (n_users, 1 + rank) [log s]."""
    user_variance: Floats
    """Posterior variances, the same shape."""
    video: Floats
    """Shape (n_videos, 1 + rank): posterior means of watched videos, prior means of all others."""
    video_variance: Floats
    """Their variances, the same shape."""
    mean: float
    """Mean log time of all pairs that met [log s]."""
    noise: float
    """Variance of the noise [log s squared]."""

    @cached_property
    def _users_spread(self) -> Floats:
        """Mean square of each factor over the users. Once for all batches: it takes time that grows with the users."""
        spread: Floats = (self.user**2 + self.user_variance).mean(axis=0)
        return spread

    def features(self, user_index: Index, video_index: Index, log_duration: Floats) -> Floats:
        """What the model says of pairs; no mean of it depends on how the factors happen to be rotated.

        Args:
            user_index: shape (n,); -1 for an unknown user: the mean user, with the users' spread.
            video_index: shape (n,); -1 for an unknown video: NaN.
            log_duration: shape (n,), lengths of the videos [log s]; NaN if unknown.

        Returns:
            float32, shape (n, 8), the columns of `columns.WATCH_TIME_FEATURES`: the user's level, the video's level,
            taste . style [all log s]; predicted log time less log length, in full, without the user's part, without
            the video's part [log s]; the first of these in predictive standard deviations; that deviation [log s],
            which leaves out how the errors of a user's or video's factors hang together.

        Raises:
            IndexError: an index is beyond the model's users or videos.
        """
        known = user_index >= 0
        u = np.where(known[:, None], self.user[user_index], 0)
        u_variance = np.where(known[:, None], self.user_variance[user_index], self._users_spread)
        i, i_variance = self.video[video_index], self.video_variance[video_index]
        taste = np.einsum("ij,ij->i", u[:, 1:], i[:, 1:])
        variance = (
            self.noise
            + u_variance[:, 0]
            + i_variance[:, 0]
            + np.einsum("ij,ij->i", u[:, 1:] ** 2 + u_variance[:, 1:], i_variance[:, 1:])
            + np.einsum("ij,ij->i", u_variance[:, 1:], i[:, 1:] ** 2)
        )
        spread = np.sqrt(variance)
        beyond = self.mean - log_duration
        margin = beyond + u[:, 0] + i[:, 0] + taste
        table = np.stack(
            [u[:, 0], i[:, 0], taste, margin, beyond + i[:, 0], beyond + u[:, 0], margin / spread, spread], axis=1
        )
        table[video_index < 0] = np.nan
        narrow: Floats = table.astype(np.float32)
        return narrow

    def save(self, folder: Path) -> None:
        """Write the matrices as .npy and the rest as watch_time.json into ``folder``, which exists."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        facts = {"mean": self.mean, "noise": self.noise}
        (folder / "watch_time.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote.

        Raises:
            InputError: a file is missing, damaged, or does not belong to the others.
        """
        try:
            facts = json.loads((folder / "watch_time.json").read_text(encoding="utf-8"))
            arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
            for name, matrix in arrays.items():
                shape = (len(arrays[name.removesuffix("_variance")]), *arrays["user"].shape[1:])
                if matrix.dtype != np.float32 or matrix.ndim != 2 or matrix.shape != shape:  # noqa: PLR2004
                    raise ValueError(f"{name}.npy is not a float32 matrix like the others")  # noqa: TRY301
            return cls(**arrays, mean=float(facts["mean"]), noise=float(facts["noise"]))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as reason:
            raise InputError(
                f"{folder}: not a whole watch time model ({reason})", "Fit it again with python -m jobs.train --force."
            ) from reason
