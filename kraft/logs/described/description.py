"""The description of a log: a TOML file that says, in SQL expressions over the files' own columns, what each row is.

    [interactions]
    files = "log_*.csv"              # a file, several, a glob, a folder of parts
    user = "user_id"
    item = "video_id"
    time = "time_ms / 1000"
    label = "long_view = 1"

`kuairand` and `movielens` are descriptions too, in the folder `builtin`.
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kraft.errors import InputError
from kraft.settings import KUAIREC, FeatureGroup

BUILTIN: Final = Path(__file__).with_name("builtin")
"""One folder a built-in name, with a description a layout."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Expression = Annotated[str, Field(min_length=1)]
"""SQL over the columns of the files."""
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed)]


class _Table(BaseModel):
    """Files of one kind of row, and how to read them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    files: Annotated[Names, Field(min_length=1)]
    """Names, globs or folders, relative to --raw; or one .sql file with a SELECT."""
    columns: Names = ()
    """Names of the columns of CSV files that have no header."""
    separator: Annotated[str, Field(min_length=1, max_length=4)] | None = None
    """Between the fields of CSV files. By default it is found out."""
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    quote: Annotated[str, Field(max_length=1)] | None = None
    """Around fields of CSV files; empty for none. By default it is found out."""
    where: Expression | None = None
    """Which rows count."""


class Interactions(_Table):
    """The log: one row an interaction."""

    user: Expression
    """Id of the user: integer or text."""
    item: Expression
    """Id of the item: integer or text."""
    time: Expression | None = None
    """Unix seconds, a TIMESTAMP, a DATE, or ISO text (UTC where it names no zone). Default: the order of the rows."""
    label: Expression
    """Whether the interaction is positive: a condition, or 0 and 1. It may use `watch_ratio`, if `watch_time` and
    `length` are given."""
    watch_time: Expression | None = None
    """Time watched [ms]."""
    length: Expression | None = None
    """Length of the item [ms]; unknown where it is not above 0."""


class Users(_Table):
    """What is known of the users: one row a user."""

    key: Expression
    """Id of the user."""
    attributes: Names = ()
    """Columns that KuaiRec's user_features has too: they become features under the same names."""


class Items(_Table):
    """What is known of the items: one row an item."""

    key: Expression
    """Id of the item."""
    categories: Expression | None = None
    """A list, or text such as "3,67", "[3, 67]" or "Comedy|Drama"."""
    author: Expression | None = None
    """Who made the item: integer or text."""
    uploaded: Expression | None = None
    """Since when there is the item: a DATE, a TIMESTAMP or ISO text."""
    kind: Expression | None = None
    """How the item came to be, as text: KuaiRec's upload_type."""
    title: Expression | None = None
    """What people read of the item."""


class Description(BaseModel):
    """One log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interactions: Interactions
    users: Users | None = None
    items: Items | None = None

    def without(self) -> tuple[FeatureGroup, ...]:
        """Groups of features that this log has no columns for."""
        log = self.interactions
        groups: list[FeatureGroup] = []
        if log.watch_time is None:
            groups.append("watch-time")
        if log.length is None:
            groups.append("length")
        return (*groups, *(("watch-ratio",) if groups else ()))


class Described(BaseModel):
    """A description, and where it and its files are."""

    model_config = ConfigDict(frozen=True)

    path: Path
    folder: Path
    """What the names of files are relative to."""
    log: Description


def read(name: str, raw: Path | str | None) -> Described:
    """The description that ``--log NAME`` means.

    Args:
        name: a built-in one, or a TOML file.
        raw: the folder of its files; by default that of the TOML file.

    Raises:
        InputError: there is no such description, or it breaks a rule.
    """
    raw = None if raw is None else Path(raw)
    layouts = _builtin().get(name)
    if layouts is None:
        path = Path(name)
        return Described(path=path, folder=raw or path.parent, log=load(path))
    if raw is None or not raw.is_dir():
        shown = "no folder is given" if raw is None else f"{raw} is not a folder"
        raise InputError(f"--log {name}: {shown}", "Give the folder of its files with --raw.")
    found = [Described(path=path, folder=raw, log=load(path)) for path in layouts]
    present = [one for one in found if any(any(raw.glob(file)) for file in one.log.interactions.files)]
    if not present:
        wanted = ", ".join(file for one in found for file in one.log.interactions.files)
        raise InputError(f"--log {name}: {raw} has none of its logs ({wanted})", "Give the folder that has one.")
    return present[0]


def load(path: Path) -> Description:
    """The description in a TOML file.

    Raises:
        InputError: the file is unreadable, or breaks a rule.
    """
    if not path.is_file():
        known = ", ".join((KUAIREC, *_builtin()))
        near = get_close_matches(str(path), (KUAIREC, *_builtin()), 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise InputError(f"--log {path}: no such file", f"{hint}Give a TOML file, or one of {known}.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text", "Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not a TOML file ({error})", 'Each line is `name = "expression"`.') from None
    try:
        return Description.model_validate(values)
    except ValidationError as error:
        raise _problem(path, error.errors(include_url=False)[0]) from None


def _builtin() -> dict[str, list[Path]]:
    return {folder.name: sorted(folder.glob("*.toml")) for folder in sorted(BUILTIN.iterdir())}


def _problem(path: Path, first: Any) -> InputError:  # noqa: ANN401 - pydantic's own record
    """What pydantic found first, as one line."""
    where = [str(part) for part in first["loc"]]
    section, name = where[0], where[-1] if len(where) > 1 and not where[-1].isdigit() else "".join(where[1:2])
    tables: dict[str, type[BaseModel]] = {"interactions": Interactions, "users": Users, "items": Items}
    named = f"[{section}] {name}".rstrip()
    if first["type"] == "extra_forbidden":
        known = list(tables[section].model_fields) if len(where) > 1 else list(tables)
        near = get_close_matches(where[-1], known, 1)
        shown = f"[{section}]" if len(where) == 1 else named
        hint = f"did you mean {near[0]}? " if near else ""
        return InputError(f"{path}: {shown} is not known", f"{hint}Known are {', '.join(known)}.".capitalize())
    if first["type"] == "missing":
        what = f"[{section}]" if len(where) == 1 else named
        return InputError(f"{path}: {what} is missing", "Add it; README shows a description.")
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return InputError(f"{path}: {named} = {first['input']!r}: {message}", "Correct the description.")
