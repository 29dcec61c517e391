"""The paths that a job's options name: what is read, what is written, and whether that goes together.

Every option that is a path says what the job does with it (`kraft.settings.Role`); a job whose option says nothing does
not start. So no output of a job escapes the check.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, get_args, runtime_checkable

from pydantic import BaseModel
from typing_extensions import TypeIs

from kraft.engine.outputs import Output, check_outputs
from kraft.engine.paths import check_name
from kraft.errors import InputError
from kraft.logs.files import PLACES, STEMS
from kraft.settings import DEFAULT_RAW, KUAIREC, Role

TOML = Path("kraft.toml")


@runtime_checkable
class WritesMore(Protocol):
    """A job's options that write to paths which no option names."""

    def written(self) -> Mapping[str, Path]:
        """What is written besides: what to call it in messages -> the file, or a folder whose name ends in /."""


def check_paths(options: BaseModel) -> None:
    """Hold all that one call of a job reads and writes against each other and the disk, before any work.

    Raises:
        InputError: an output is an input, one of KRAFT's own files, or nothing that a file may replace; or a path
            cannot be told to DuckDB.
    """
    named = list(_named(options))
    for option, role, value in named:
        if isinstance(value, Path):
            check_name(option, value, work=role is Role.WORK)
    _refuse_urls(options, named)
    check_outputs([*_outputs(options, named)], [("kraft.toml", TOML), *_inputs(options, named)], _of(named, Role.WORK))


def roles(annotation: Any) -> Iterator[Role | type[Path]]:  # noqa: ANN401 - a type
    """The roles in a type, and Path where it is a path at all."""
    if isinstance(annotation, Role) or annotation is Path:
        yield annotation
    for part in get_args(annotation):
        yield from roles(part)


def _named(options: BaseModel) -> Iterator[tuple[str, Role, Path | str]]:
    """Option, role and value of each path; an URL is a text, also one of this machine's as a path."""
    for name, field in type(options).model_fields.items():
        found = [*roles(field.annotation), *field.metadata]
        told = {one for one in found if isinstance(one, Role)}
        if len(told) != 1 and (told or Path in found):
            raise TypeError(f"{type(options).__name__}.{name} is a path: annotate it with one role (kraft.settings)")
        for role in told:
            value = getattr(options, name)
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None:
                    yield f"--{name.replace('_', '-')}", role, _local(one)


def _local(value: Path | str) -> Path | str:
    """file:///data is a path of this machine; a name that is the name of a file is one, too."""
    if isinstance(value, str):
        text = value.removeprefix("file://")
        if text != value or ("://" not in text and Path(text).is_file()):
            return Path(text)
    return value


def _of(named: list[tuple[str, Role, Path | str]], role: Role) -> list[tuple[str, Path]]:
    return [(option, value) for option, one, value in named if one is role and isinstance(value, Path)]


def _inputs(options: BaseModel, named: list[tuple[str, Role, Path | str]]) -> Iterator[tuple[str, Path]]:
    """Files that are read; of a folder of raw files, each that KRAFT would look for."""
    yield from _described(options)
    given = _of(named, Role.INPUT)
    if getattr(options, "raw", DEFAULT_RAW) is None:
        given.append(("--raw", DEFAULT_RAW))
    for option, path in given:
        if path.is_dir():
            for place in PLACES:
                yield from ((option, path / place / f"{stem}.{kind}") for stem in STEMS for kind in ("csv", "parquet"))
        else:
            yield option, path


def _described(options: BaseModel) -> Iterator[tuple[str, Path]]:
    """The files that the description of a log names.

    Raises:
        InputError: it breaks a rule, or names a file that is not there.
    """
    name, raw = getattr(options, "log", KUAIREC), getattr(options, "raw", None)
    if name != KUAIREC:
        from kraft.logs.described.description import read
        from kraft.logs.described.log_files import readable

        described = read(name, raw)
        yield from (("--log", path) for path in readable(described))


def _outputs(options: BaseModel, named: list[tuple[str, Role, Path | str]]) -> Iterator[Output]:
    for role in (Role.OUTPUT, Role.TABLE, Role.FOLDER):
        for option, path in _of(named, role):
            # Spark writes a folder where it is given a URL, also one of this machine's.
            folder = role is Role.FOLDER or _is_url(getattr(options, _field(option)))
            yield Output(option, path, table=role is Role.TABLE and not folder, folder=folder)
    if isinstance(options, WritesMore):
        for what, path in options.written().items():
            yield Output(what.rstrip("/"), path, folder=what.endswith("/"))


def _refuse_urls(options: BaseModel, named: list[tuple[str, Role, Path | str]]) -> None:
    """Of URLs only the texts can be compared."""
    read = [(option, f"{value.rstrip('/')}/") for option, role, value in named if role is Role.INPUT and _is_url(value)]
    for option, role, _ in named:
        value = getattr(options, _field(option))
        if role is Role.INPUT or not _is_url(value):
            continue
        if getattr(options, "engine", "") != "spark":
            raise InputError(f"{option} {value}: not on this machine", "Spark writes there: add --engine spark.")
        folder = f"{value.rstrip('/')}/"
        for other, url in read:
            # What is written into a folder of parts of a log would be read as rows of it.
            if url.startswith(folder) or (other == "--matrix" and folder.startswith(url)):
                raise InputError(f"{option} {value}: this is an input ({other})", "Give another URL.")


def _is_url(value: object) -> TypeIs[str]:
    return isinstance(value, str) and "://" in value


def _field(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")
