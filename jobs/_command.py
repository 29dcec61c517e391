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
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, TypeVar, get_args, get_origin

from pydantic import BaseModel, ByteSize, ValidationError
from pydantic.fields import FieldInfo

from jobs._paths import TOML, check_paths
from jobs._stopping import line, stop_in_order
from kraft.engine.process.os_errors import explained
from kraft.errors import InputError
from kraft.settings import Settings

POSITIONAL: Final = "positional"
"""Annotates the option that is given without its name: `what: Annotated[str, POSITIONAL]`."""
_SHORT = {"quiet": ["-q"], "verbose": ["-v"]}
_METAVARS = {Path: "PATH", str: "TEXT", int: "N", float: "X", ByteSize: "SIZE", datetime: "TIME"}
"""How the help names a value of each type."""
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
    """The options of one call: argparse finds the words that were given, pydantic says whether they are values.

    Raises:
        InputError: an option or a line of kraft.toml is unknown or breaks its rule.
    """
    given = vars(_parser(options_type).parse_args(argv))
    try:
        return options_type.model_validate(_toml_values(options_type) | given)
    except ValidationError as error:
        raise InputError(_first_problem(error, given), "See --help for every option.") from None


class _Parser(argparse.ArgumentParser):
    """argparse, with its errors told as KRAFT tells all errors."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, f"See `{self.prog} --help`.")


def _parser(options_type: type[BaseModel]) -> _Parser:
    parser = _Parser(
        prog=f"python -m {_module_name(options_type)}",
        description=inspect.cleandoc(options_type.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        # What is not given is not there: kraft.toml and the record have the defaults.
        argument_default=argparse.SUPPRESS,
    )
    for name, field in options_type.model_fields.items():
        text = _help(field)
        if POSITIONAL in field.metadata:
            parser.add_argument(name, metavar=name.upper(), help=text)
        else:
            parser.add_argument(*_SHORT.get(name, []), _option(name), dest=name, help=text, **_form(field))
    return parser


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _form(field: FieldInfo) -> dict[str, Any]:
    """How argparse reads the words after an option: none for a flag, several for a tuple, else one."""
    leaves = list(_leaves(field.annotation))
    if bool in leaves:
        return {"action": "store_true" if field.default is False else argparse.BooleanOptionalAction}
    metavar = _metavar(leaves)
    if tuple not in leaves:
        return {"metavar": metavar}
    if ... in leaves:
        return {"metavar": (metavar, ""), "nargs": "+", "action": "extend"}
    return {"metavar": metavar, "nargs": sum(leaf in _METAVARS for leaf in leaves)}


def _leaves(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - a type
    """The plain types and the Literals of a type, and tuple where it is one."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is tuple:
        yield tuple
    if origin is Literal or not parts:
        yield annotation
    else:
        for part in parts[:1] if origin is Annotated else parts:
            yield from _leaves(part)


def _metavar(leaves: list[Any]) -> str:
    """PATH for what may also be a URL, {a,b} for a choice, N|all for a number or a word."""
    if Path in leaves:
        return _METAVARS[Path]
    plain = list(dict.fromkeys(_METAVARS[leaf] for leaf in leaves if leaf in _METAVARS))
    choices = [str(choice) for leaf in leaves if get_origin(leaf) is Literal for choice in get_args(leaf)]
    return "|".join(plain + choices) if plain else f"{{{','.join(choices)}}}"


def _help(field: FieldInfo) -> str:
    """A field's docstring, and its default where the docstring does not say it and it is not off; 1GiB for bytes."""
    text = (field.description or "").replace("%", "%%")
    if field.is_required():
        return f"{text} (required)" if POSITIONAL not in field.metadata else text
    value = field.default
    if "Default:" in text or field.default_factory or value is None or value is False or value == ():
        return text
    if isinstance(value, ByteSize):
        value = value.human_readable().replace(".0", "")
    return f"{text} (default: {'yes' if value is True else value})"


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


def _first_problem(error: ValidationError, given: dict[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return f"{_option(name)} is required"
    # The command line comes before the file: what it gave is not the file's fault.
    where = _option(name) if name in given else f"{TOML}, {name}"
    return f"{where} {first.get('input')}: {first['msg'][0].lower()}{first['msg'][1:]}"
