"""What KuaiRec's raw files must look like, and where they are found.

Types are enforced while a file is read; ranges and keys are the files of `sql/checks`. Columns that no
table is made of are not read, and may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kraft.columns import NUMERICAL_FEATURES, ONEHOT_FEATURES
from kraft.engine.sql.column_types import Form
from kraft.engine.sql.file_kinds import remedy
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.sources import AbsentFile
from kraft.errors import InputError
from kraft.logs.files import USERS_STEM, find_file, find_folder, missing

INTERACTION_COLUMNS = {
    "user_id": "INTEGER",
    "video_id": "INTEGER",
    "play_duration": "INTEGER",
    "video_duration": "INTEGER",
    # small_matrix writes 20200705.0, big_matrix 20200705.
    "date": "INTEGER",
    "timestamp": "DOUBLE",
    "watch_ratio": "DOUBLE",
}

FORMS = {
    "timestamp": Form("unix seconds", "epoch({})"),
    "date": Form("a day as the number yyyymmdd", "cast(strftime({}, '%Y%m%d') as integer)"),
    "play_duration": Form("milliseconds", "1000 * epoch(cast({} as time))"),
    "video_duration": Form("milliseconds", "1000 * epoch(cast({} as time))"),
    "feat": Form("a list of category ids, integers of at most 9 digits, for example [27, 9]", is_list=True),
    "friend_list": Form("a list of user ids, for example [27, 9]", is_list=True),
}
"""What columns of the raw files hold, where their types alone do not say it."""
OPTIONAL_OF_A_LOG = frozenset({"date"})
"""Only daily counts and the age of uploads need the date, and are missing then."""


@dataclass(frozen=True)
class Contract:
    """One file of the dataset."""

    stem: str
    """Its name without .csv or .parquet."""
    columns: Mapping[str, str]
    """Column -> DuckDB type that every value must be castable to."""
    required: bool = True
    optional: frozenset[str] = frozenset()
    """Columns that may be missing."""
    stray_line_ends: bool = False
    once: bool = False
    """Each id, the first of its columns, stands in one row only."""


USERS = Contract(
    USERS_STEM,
    {
        "user_id": "INTEGER",
        "user_active_degree": "VARCHAR",
        **dict.fromkeys(NUMERICAL_FEATURES, "INTEGER"),
        # Some of them have empty values, so they are written as floats: 5.0.
        **dict.fromkeys(ONEHOT_FEATURES, "DOUBLE"),
    },
    once=True,
)
CATEGORIES = Contract("item_categories", {"video_id": "INTEGER", "feat": "VARCHAR"}, once=True)
CATEGORY_NAMES = ("first_level_category_name", "second_level_category_name", "third_level_category_name")
# The preset documented reads none of the following. If a table is made of one, its values are checked before
# anything is built; columns are checked in any case.
OPTIONAL = (
    Contract(
        "item_daily_features",
        {
            "video_id": "INTEGER",
            "date": "INTEGER",
            "author_id": "BIGINT",
            "video_type": "VARCHAR",
            "upload_dt": "VARCHAR",
            "upload_type": "VARCHAR",
            "video_tag_id": "BIGINT",
            "video_duration": "DOUBLE",
            "show_cnt": "DOUBLE",
            "play_cnt": "DOUBLE",
            "play_duration": "DOUBLE",
            "complete_play_cnt": "DOUBLE",
            "long_time_play_cnt": "DOUBLE",
            "short_time_play_cnt": "DOUBLE",
            "like_cnt": "DOUBLE",
            "play_progress": "DOUBLE",
        },
        required=False,
        # Without them the features that are made of them are missing.
        optional=frozenset(
            {"video_tag_id", "video_duration", "play_duration", "complete_play_cnt", "play_progress"}
            | {"long_time_play_cnt", "short_time_play_cnt"}
        ),
    ),
    Contract("social_network", {"user_id": "INTEGER", "friend_list": "VARCHAR"}, required=False),
    Contract(
        "kuairec_caption_category",
        {
            "video_id": "INTEGER",
            "caption": "VARCHAR",
            "topic_tag": "VARCHAR",
            "first_level_category_id": "BIGINT",
            "second_level_category_id": "BIGINT",
            "third_level_category_id": "BIGINT",
            **dict.fromkeys(CATEGORY_NAMES, "VARCHAR"),
        },
        required=False,
        # Names are for people: no feature is made of them.
        optional=frozenset(CATEGORY_NAMES),
        stray_line_ends=True,
    ),
)


def resolve(raw: Path | str, matrix: str) -> tuple[dict[str, RawFile], dict[str, RawFile | AbsentFile]]:
    """The raw files to build from, by logical name: the required ones, and the optional ones, some of them absent.

    Args:
        raw: the folder given as --raw.
        matrix: small, big, or the path of a log (relative to the working directory).

    Raises:
        InputError: the folder or a required file is missing, or a header lacks a column.
    """
    for option, path in (("raw", str(raw)), ("matrix", matrix)):
        if "://" in path:
            raise InputError(f"--{option} {path}: not on this machine", "Spark reads from there: add --engine spark.")
    folder = folder_of(Path(raw))
    log = log_file(folder, matrix)
    inputs, extras = side_files(folder)
    log.check_header()
    return {"raw_interactions": log} | inputs, extras


def log_file(folder: Path, matrix: str) -> RawFile:
    """The log that ``matrix`` means: small or big, in ``folder``, or a path.

    Raises:
        InputError: it is not there.
    """
    if matrix in {"small", "big"}:
        path = _required(folder, f"{matrix}_matrix")
    else:
        path = Path(matrix)
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file"
            raise InputError(f"--matrix {matrix}: it is {what}", remedy(path))
        if not path.is_file():
            otherwise = "Give small, big, or a CSV or Parquet file."
            raise missing(f"--matrix {matrix}: no such file", path.parent, path.stem, otherwise)
    return RawFile(path, INTERACTION_COLUMNS, optional=OPTIONAL_OF_A_LOG, key="user_id", forms=FORMS)


def folder_of(raw: Path) -> Path:
    """The folder below ``raw`` that KuaiRec's files are in.

    Raises:
        InputError: there is none.
    """
    if not raw.is_dir():
        raise InputError(f"--raw {raw}: no such folder", "Fetch the data: python -m jobs.fetch_data")
    folder = find_folder(raw)
    if folder is None:
        otherwise = "Give the folder with KuaiRec's files, or fetch them: python -m jobs.fetch_data"
        raise missing(f"--raw {raw}: user_features.csv (or .parquet) is not in it", raw, USERS_STEM, otherwise)
    return folder


def side_files(folder: Path) -> tuple[dict[str, RawFile], dict[str, RawFile | AbsentFile]]:
    """`resolve` without the log.

    Raises:
        InputError: a required file is missing, or a header lacks a column.
    """
    inputs = {
        "raw_user_features": _raw_file(_required(folder, USERS.stem), USERS),
        "raw_item_categories": _raw_file(_required(folder, CATEGORIES.stem), CATEGORIES),
    }
    extras: dict[str, RawFile | AbsentFile] = {}
    for contract in OPTIONAL:
        path = find_file(folder, contract.stem)
        extras[f"raw_{contract.stem}"] = (
            AbsentFile(dict(contract.columns)) if path is None else _raw_file(path, contract)
        )
    for file in (*inputs.values(), *extras.values()):
        if isinstance(file, RawFile):
            file.check_header()
    return inputs, extras


def _raw_file(path: Path, contract: Contract) -> RawFile:
    return RawFile(
        path,
        dict(contract.columns),
        contract.optional,
        key=next(iter(contract.columns)),
        once=contract.once,
        stray_line_ends=contract.stray_line_ends,
        forms=FORMS,
    )


def _required(folder: Path, stem: str) -> Path:
    path = find_file(folder, stem)
    if path is None:
        otherwise = "Fetch the data: python -m jobs.fetch_data"
        raise missing(f"{folder}: {stem}.csv (or .parquet) is not there", folder, stem, otherwise)
    return path
