"""What every command shares: reading options, reporting errors, exit codes.

A job is a record of options, whose docstrings are its help, and a function that takes it:

    class Options(Settings): ...
    def main(options: Options) -> None: ...
    if __name__ == "__main__":
        run(Options, main)

Options come, in this order, from the command line, from `kraft.toml` in the current folder (the fields of
`kraft.settings.Settings`, one `name = value` a line), and from the defaults of the record.
"""

import argparse
import inspect
import re
import signal
import sys
import tomllib
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ByteSize, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from jobs._paths import TOML, check_paths
from jobs._stopping import line, stop_in_order
from kraft.engine.process.os_errors import explained
from kraft.errors import InputError
from kraft.settings import Settings

_METAVARS = {"Path": "PATH", "str": "TEXT", "int": "N", "float": "X", "ByteSize": "SIZE", "{str,Path}": "PATH"}
"""How the help names a value of each type."""
_DEFAULT = re.compile(r"\s*\((default|default factory): (.*)\)$")
OptionsT = TypeVar("OptionsT", bound=BaseModel)


def run(options_type: type[OptionsT], main: Callable[[OptionsT], int | None]) -> NoReturn:
    """Parse the command line into ``options_type``, call ``main`` and exit.

    Exit codes: 0 done, 1 the machine's or the network's fault (or what ``main`` returns), 2 bad input or
    options, 130 and 143 stopped by SIGINT and SIGTERM.
    """
    stop_in_order()
    try:
        options = read_options(options_type, sys.argv[1:])
        check_paths(options)
        code = main(options) or 0
    except KeyboardInterrupt:
        print(line(signal.SIGINT), file=sys.stderr)
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of stdout has gone (`| head`); what is still buffered has nowhere to go.
        sys.stderr.close()
        code = 1
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        code = known.exit_code
    sys.exit(code)


def read_options(options_type: type[OptionsT], argv: list[str]) -> OptionsT:
    """The options of one call.

    Raises:
        InputError: an option or a line of kraft.toml is unknown or breaks its rule.
    """
    from_file = _toml_values(options_type)
    argv = _repeated(options_type, argv)
    parser = _Parser(
        prog=f"python -m {_module_name(options_type)}",
        description=inspect.cleandoc(options_type.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    class Cli(BaseSettings, options_type):  # type: ignore[misc, valid-type]
        model_config = SettingsConfigDict(
            cli_kebab_case=True,
            cli_implicit_flags="toggle",
            cli_hide_none_type=True,
            cli_avoid_json=True,
            cli_shortcuts={"quiet": "q", "verbose": "v"},
        )

        @classmethod
        def settings_customise_sources(  # type: ignore[override]
            cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            cli: CliSettingsSource[Any] = CliSettingsSource(
                settings_cls, cli_parse_args=argv, root_parser=parser, formatter_class=parser.formatter_class
            )
            return cli, InitSettingsSource(settings_cls, init_kwargs=from_file)

    try:
        merged = Cli()
    except ValidationError as error:
        raise InputError(_first_problem(error, from_file), "See --help for every option.") from None
    return options_type.model_validate(dict(merged))


def _repeated(options_type: type[BaseModel], argv: list[str]) -> list[str]:
    """``argv`` with an option of several values, `--compare A B`, given once a value, as pydantic-settings reads it."""
    several = {
        f"--{name.replace('_', '-')}"
        for name, field in options_type.model_fields.items()
        if "tuple[" in str(field.annotation)
    }
    words: list[str] = []
    option = ""
    for word in argv:
        if word.startswith("-"):
            option = word if word in several else ""
        elif option and words[-1] != option:
            words.append(option)
        words.append(word)
    return words


class _Parser(argparse.ArgumentParser):
    """argparse, with its errors told as KRAFT tells all errors, and values and defaults as people read them."""

    def format_help(self) -> str:
        for action in self._actions:
            if isinstance(action.metavar, str):
                action.help = _with_readable_default(action.help or "", action.metavar)
                action.metavar = _METAVARS.get(action.metavar, action.metavar)
            elif action.help:
                action.help = _with_readable_default(action.help, "")
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise InputError(message, f"See `{self.prog} --help`.")


def _with_readable_default(text: str, kind: str) -> str:
    """An option's help with its default said once: 1GiB for bytes, nothing where its docstring says it or it is off."""
    stated = _DEFAULT.search(text)
    if not stated:
        return text
    bare = text[: stated.start()]
    if "Default:" in bare or stated[1] != "default" or stated[2] in {"None", "False"}:
        return bare
    value = ByteSize(int(stated[2])).human_readable().replace(".0", "") if kind == "ByteSize" else stated[2]
    return f"{bare} (default: {value})"


def _module_name(options_type: type[BaseModel]) -> str:
    """The command as it was typed: run with -m, a job's own module is called __main__."""
    if options_type.__module__ != "__main__":
        return options_type.__module__
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else "__main__"


def _toml_values(options_type: type[BaseModel]) -> dict[str, Any]:
    if not TOML.is_file():
        return {}
    try:
        values = tomllib.loads(TOML.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{TOML}: {error}", "Correct the file; each line is `name = value`.") from None
    named = {name.replace("-", "_"): value for name, value in values.items()}
    unknown = sorted(set(named) - set(Settings.model_fields))
    if unknown:
        known = ", ".join(Settings.model_fields)
        raise InputError(f"{TOML}: unknown setting '{unknown[0]}'", f"Known settings: {known}.")
    # A job that has no use for a setting (fetch_data has no train_fraction) passes over it.
    return {name: value for name, value in named.items() if name in options_type.model_fields}


def _first_problem(error: ValidationError, from_file: dict[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    given = first.get("input")
    # The command line comes before the file: only the file's own value is the file's fault.
    blamed = name in from_file and given == from_file[name]
    place = f"{TOML}, {name}" if blamed else f"--{name.replace('_', '-')}"
    if first["type"] == "missing":
        return f"{place} is required"
    return f"{place} {given}: {first['msg'][0].lower()}{first['msg'][1:]}"
