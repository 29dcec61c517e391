"""Every setting of the pipeline in one frozen record, with its unit and its default.

A job reads its options from, in this order: the command line, `kraft.toml` in the current folder, the
defaults below. A preset gives the values of the models' settings that are not set anywhere else.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ByteSize, ConfigDict, Field

MIB = 1024 * 1024


def usable_cores() -> int:
    """Cores that this process may run on (an affinity mask counts; a container's quota does not)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class AlsSettings(BaseModel):
    """Implicit-feedback ALS (Hu, Koren, Volinsky 2008; conjugate gradients: Takács et al. 2011)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int
    regularization: float
    iterations: int
    seed: int
    store_zeros: bool
    """Keep observed non-positives as explicit zeros: implicit gives such a cell weight 0, where a cell that
    was never observed has weight 1 and preference 0."""


class RankerSettings(BaseModel):
    """LightGBM's parameters, under LightGBM's names, and how its validation rows are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rounds: int
    early_stopping: int
    """Rounds without a better validation AUC after which training stops."""
    learning_rate: float
    num_leaves: int
    max_bin: int
    feature_fraction: float
    bagging_fraction: float
    bagging_freq: int
    lambda_l1: float
    lambda_l2: float
    seed: int
    bin_construct_sample_cnt: int
    """Rows sampled to place the bins' edges; the sample is held as float64."""
    validation_fraction: float


class Preset(NamedTuple):
    als: AlsSettings
    ranker: RankerSettings


PRESETS: dict[str, Preset] = {
    # The documented pipeline, reproduced as it is. bagging_freq 0: its `subsample` was given without
    # `subsample_freq`, so LightGBM never bagged.
    "seed": Preset(
        AlsSettings(factors=64, regularization=0.01, iterations=20, seed=42, store_zeros=True),
        RankerSettings(
            rounds=1000,
            early_stopping=50,
            learning_rate=0.05,
            num_leaves=31,
            max_bin=128,
            feature_fraction=0.8,
            bagging_fraction=0.8,
            bagging_freq=0,
            lambda_l1=0.1,
            lambda_l2=0.1,
            seed=42,
            bin_construct_sample_cnt=50_000,
            validation_fraction=0.2,
        ),
    ),
}


class Settings(BaseModel):
    """What every job needs to know: where data is, what it may use, and what to compute."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    raw: Path | None = None
    """Folder with KuaiRec's files as CSV or Parquet. Default: `data` if it holds them, else a small
    synthetic twin made in the work folder."""
    work: Path = Path("work")
    """Folder for tables, models and the DuckDB catalog."""
    matrix: str = "small"
    """The interaction log: small, big, or a file with the same columns."""
    memory_limit: ByteSize = ByteSize(1024 * MIB)
    """The most resident memory that a process of a job may take, for example 512MiB or 2GiB."""
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=usable_cores)
    """Threads that every stage may use. Default: the cores of this machine."""
    preset: Literal["seed"] = "seed"
    """Settings of the models; seed is the documented pipeline."""
    force: bool = False
    """Rebuild everything, also what is up to date."""
    quiet: bool = False
    """Print only results and errors."""
    verbose: bool = False
    """Also print details."""

    positive_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """An interaction is positive where watch_ratio (play / video duration) is at least this."""
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the interactions, earliest first, that is the train period."""
    null_timestamps: Literal["last", "drop"] = "last"
    """Interactions without a timestamp: last puts them after all others (the documented way), drop
    leaves them out."""

    factors: Annotated[int, Field(ge=1, le=1024)] | None = None
    """ALS: latent factors. Default: the preset's (seed: 64)."""
    regularization: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """ALS: L2 regularization. Default: the preset's (seed: 0.01)."""
    iterations: Annotated[int, Field(ge=1)] | None = None
    """ALS: sweeps over users and items. Default: the preset's (seed: 20)."""
    store_zeros: bool | None = None
    """ALS: keep observed non-positives as stored zeros. Default: the preset's (seed: yes)."""
    als_solver: Literal["auto", "implicit", "dense"] = "auto"
    """ALS: implicit's own solver over sparse rows, the same steps over dense blocks, or auto: dense where at
    least a fifth of all pairs was observed. Both give the same factors up to rounding."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """Ranker: boosting rounds at most. Default: the preset's (seed: 1000)."""

    @property
    def verbosity(self) -> int:
        return -1 if self.quiet else int(self.verbose)

    @property
    def als(self) -> AlsSettings:
        """The preset's ALS settings with what the user set instead."""
        chosen = {
            "factors": self.factors,
            "regularization": self.regularization,
            "iterations": self.iterations,
            "store_zeros": self.store_zeros,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        return PRESETS[self.preset].als.model_copy(update=given)

    @property
    def ranker(self) -> RankerSettings:
        """The preset's ranker settings with what the user set instead."""
        given = {} if self.rounds is None else {"rounds": self.rounds}
        return PRESETS[self.preset].ranker.model_copy(update=given)
