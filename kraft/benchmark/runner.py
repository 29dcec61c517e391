"""Runs one function in its own process: `python -m kraft.benchmark.runner MODULE FUNCTION ARGUMENTS`.

ARGUMENTS is a JSON object of keyword
arguments; the result goes to stdout as a line of JSON, of a generator a line for each item.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def module(name: str, *arguments: str | Path | float) -> list[str]:
    """The command `python -m NAME ARGUMENTS...`, with this Python."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def name_of(function: Callable[..., object]) -> tuple[str, str]:
    """The module and the name in it under which another process finds ``function``."""
    return function.__module__, function.__qualname__


def command_of(function: Callable[..., object], arguments: Mapping[str, Any]) -> list[str]:
    """The command that calls ``function`` with ``arguments``; paths become text."""
    return module("kraft.benchmark.runner", *name_of(function), json.dumps(dict(arguments), default=str))


def main() -> None:
    module_name, name, arguments = sys.argv[1:]
    result = getattr(importlib.import_module(module_name), name)(**json.loads(arguments))
    for line in result if isinstance(result, Iterator) else [result]:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
