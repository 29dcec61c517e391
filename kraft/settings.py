"""Every setting of the pipeline in one frozen record, with its unit and its default.

A job reads its options from, in this order: the command line, `kraft.toml` in the current folder, the
defaults below. A preset gives the values of the models' settings that are not set anywhere else
(`kraft.stages.preset`).
"""

import os
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, field_validator

MIB = 1024 * 1024
KUAIREC = "kuairec"
"""The log that needs no description: its files are read as they are (`kraft.logs.contracts`)."""
DEFAULT_RAW = Path("data")
"""Where the raw files are looked for if --raw is not given."""


class Role(Enum):
    """What a job does with the path that an option names. Every path of a job's options has one (`jobs._paths`)."""

    INPUT = "reads it, a file or a folder of them"
    OUTPUT = "writes this file"
    TABLE = "writes rows to this file, in the format that its ending says"
    FOLDER = "writes files into this folder"
    WORK = "works in this folder"


InputPath = Annotated[Path, Role.INPUT]
InputName = Annotated[str, Role.INPUT]
"""A file, or the name of something that is known."""
OutputFile = Annotated[Path, Role.OUTPUT]
OutputTable = Annotated[Path, Role.TABLE]
OutputFolder = Annotated[Path, Role.FOLDER]
WorkFolder = Annotated[Path, Role.WORK]


def usable_cores() -> int:
    """Cores that this process may run on (an affinity mask counts; a container's quota does not)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Frozen(BaseModel):
    """Frozen settings with declared fields only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AlsSettings(Frozen):
    """Implicit-feedback ALS (Hu, Koren, Volinsky 2008; conjugate gradients: Takács et al. 2011)."""

    factors: int
    regularization: float
    iterations: int
    seed: int
    store_zeros: bool
    """Keep observed non-positives as explicit zeros: implicit gives such a cell weight 0. An unobserved cell has
    weight 1 and preference 0."""


class WatchTimeSettings(Frozen):
    """The factorization of log watch times (`kraft.models.watch_time.fit`)."""

    rank: int
    """Dimensions of taste, besides the levels."""
    sweeps: int
    """Over users and videos."""
    seed: int


class RankerSettings(Frozen):
    """LightGBM's parameters, under LightGBM's names, and how its validation rows are drawn."""

    objective: Literal["binary", "lambdarank"] = "binary"
    """binary: the score is a probability. lambdarank: it only orders the videos of a user."""
    metric: tuple[Literal["auc", "binary_logloss"], ...]
    """Measured on the validation rows; the first decides when to stop. auc is among them."""
    rounds: int
    early_stopping: int
    """Rounds without a better value of the first metric after which training stops."""
    learning_rate: float
    num_leaves: int
    max_bin: int
    feature_fraction: float = 0.8
    bagging_fraction: float = 1.0
    bagging_freq: int = 0
    lambda_l1: float = 0.0
    lambda_l2: float
    seed: int = 42
    bin_construct_sample_cnt: int = 50_000
    """Rows sampled to set the bins' edges; the sample is held as float64."""
    min_data_in_leaf: int = 20
    validation: Literal["random", "latest"]
    """Which rows are for validation: random ones of the same period, or the latest."""
    validation_fraction: float = 0.2


class StackingSettings(Frozen):
    """How the train period is cut again in time: features come from its history, labels from what follows."""

    history_fraction: float
    """Share of the train period, earliest first, that is the ranker's history."""
    held_out_share: float
    """Share of the watched videos that are left out of this history, so that the ranker learns about new videos."""


FeatureGroup = Literal[
    "watch-time", "watch-ratio", "length", "user", "item", "video", "categories", "daily", "taste", "friends"
]
"""Groups of the preset kraft's features (`kraft.columns`)."""


Url = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://")]
"""Where Spark reads from, besides this machine's folders."""


def _first_name(preset: object) -> object:
    return "documented" if preset == "seed" else preset


PresetName = Annotated[Literal["kraft", "documented"], BeforeValidator(_first_name)]
"""`seed` was the first name of `documented`, and is still taken."""


class Settings(BaseModel):
    """What every job needs to know: where data is, what it may use, and what to compute."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    raw: Url | InputPath | None = None
    """Folder with KuaiRec's files as CSV or Parquet; with --engine spark also a URL (hdfs://, s3a://). Default:
    `data` if it holds them, else small synthetic data made in the work folder."""
    work: WorkFolder = Path("work")
    """Folder for tables, models and the DuckDB catalog."""
    matrix: InputName = "small"
    """The interaction log: small, big, or a file with the same columns; with --engine spark also a URL, of a file or
    of a folder of them."""
    log: InputName = KUAIREC
    """What the files of --raw are: kuairec, kuairand, movielens, or a TOML file that describes your own log."""
    memory_limit: ByteSize = ByteSize(1024 * MIB)
    """The most resident memory that a process of a job may take, for example 512MiB or 2GiB."""
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(default_factory=usable_cores)
    """Threads that every stage may use. Default: the cores of this machine."""
    preset: PresetName = "kraft"
    """kraft learns from what happened later than its features, and knows watch times; documented is the documented
    pipeline, as it is (also called seed)."""
    engine: Literal["duckdb", "spark"] = "duckdb"
    """What computes: duckdb, on this machine; or spark, on a cluster (pip install 'kraft[spark]', Java 17)."""
    master: str = "local[*]"
    """Spark's master, for example spark://HOST:7077. Default: the cores of this machine."""
    force: bool = False
    """Rebuild everything, also what is up to date."""
    on_bad_rows: Literal["fail", "quarantine"] = "fail"
    """What to do with a row that breaks a rule: fail stops at the first one; quarantine goes on without such rows and
    lists them in the table rejected_rows, with file, line, column and reason."""
    max_bad_rows: Annotated[float, Field(ge=0, le=1)] = 0.05
    """With --on-bad-rows quarantine: share of a raw file's rows that may be quarantined; more is an error."""
    no_wait: bool = False
    """If another job works in the same folder, fail at once instead of waiting for it."""
    quiet: bool = False
    """Print only results and errors."""
    verbose: bool = False
    """Also print details."""

    positive_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """An interaction is positive if watch_ratio (play / video duration) is at least this."""
    protocol: Literal["chronological", "big-to-small"] = "chronological"
    """What is learned from and what is tested on: the earlier and the later part of one log, or all of big_matrix and
    all of small_matrix (the dataset's own protocol; --matrix and --train-fraction then have no say)."""
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of the interactions, earliest first, that is the train period."""
    test_from: datetime | None = None
    """Instead of --train-fraction: the day or the time from which on interactions are tested, for example 2022-05-01 or
    2022-05-01T12:00. In UTC+8, as all times that KRAFT shows, unless it names another zone."""
    null_timestamps: Literal["last", "drop"] = "last"
    """Interactions without a timestamp: last puts them after all others (the documented way), drop
    leaves them out."""

    max_left_out: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the test rows that may be left out because their users are not in the train period; more is an
    error."""

    factors: Annotated[int, Field(ge=1, le=1024)] | None = None
    """ALS: latent factors. Default: the preset's (kraft: 16, documented: 64)."""
    regularization: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """ALS: L2 regularization. Default: the preset's (kraft: 20, documented: 0.01)."""
    iterations: Annotated[int, Field(ge=1)] | None = None
    """ALS: sweeps over users and items. Default: the preset's (kraft: 10, documented: 20)."""
    store_zeros: bool | None = None
    """ALS: keep observed non-positives as stored zeros. Default: the preset's (kraft: no, documented: yes)."""
    als_solver: Literal["auto", "implicit", "dense"] = "auto"
    """ALS: implicit's own solver over sparse rows, the same steps over dense blocks, or auto: dense if at least a
    fifth of all pairs was observed. Both give the same factors up to rounding."""
    rounds: Annotated[int, Field(ge=1)] | None = None
    """Ranker: boosting rounds at most. Default: the preset's (kraft: 400, documented: 1000)."""

    train_rows: Annotated[int, Field(ge=1000)] | None = None
    """Ranker: the most rows to learn from and to validate on. If there are more, the newest are taken, and of the
    negatives a half at least, with weights that restore their share. Default: what --memory-limit has room
    for."""

    without: tuple[FeatureGroup, ...] = ()
    """Ranker of the preset kraft: groups of features to leave out (watch-time, watch-ratio, length, user, item, video,
    categories, daily, taste, friends)."""
    objective: Literal["binary", "lambdarank"] | None = None
    """Ranker: binary gives probabilities, lambdarank only an order. Default: binary."""

    @field_validator("raw", "matrix", mode="before")
    @classmethod
    def _local(cls, path: object) -> object:
        """file:///data is /data."""
        return path.removeprefix("file://") if isinstance(path, str) else path

    @field_validator("test_from")
    @classmethod
    def _zoned(cls, time: datetime | None) -> datetime | None:
        return time if time is None or time.tzinfo else time.replace(tzinfo=timezone(timedelta(hours=8)))

    @property
    def verbosity(self) -> int:
        return -1 if self.quiet else int(self.verbose)
