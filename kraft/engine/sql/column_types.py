"""Which types of a Parquet file's columns can hold what a contract asks for: told before any value is read.

A column of the wrong type is wrong in every row. Told as a bad row, it would get a remedy that loses them all.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from duckdb.sqltypes import DuckDBPyType

from kraft.engine.paths import literal, quoted
from kraft.errors import InputError


class Form(NamedTuple):
    """What a column holds, if its type does not say it."""

    words: str
    """Behind "must be"."""
    from_time: str = ""
    """SQL that makes it of a time or a day, {} being the column."""
    is_list: bool = False
    """A list, as a text or as a list: a single number is none."""


NUMBERS: Final = frozenset({"INTEGER", "BIGINT", "DOUBLE"})
"""Types of contracts that are numbers."""
_WORDS: Final = {"INTEGER": "an integer", "BIGINT": "an integer", "DOUBLE": "a number", "VARCHAR": "a text"}
_SHOWN: Final = 60
_TIME_TEXT: Final = re.compile(r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T\s].*)?$")
_FLOATS: Final = frozenset({"float", "double", "decimal"})
_NUMERIC: Final = _FLOATS | {
    f"{sign}{size}" for sign in ("", "u") for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
}
_TEXTS: Final = frozenset({"varchar", "enum", "null"})
_TIMES: Final = frozenset(
    {"date", "time", "time_ns", "time with time zone", "timestamp", "timestamp with time zone"}
    | {"timestamp_s", "timestamp_ms", "timestamp_ns"}
)


def check_types(
    path: Path, types: Mapping[str, DuckDBPyType], columns: Mapping[str, str], forms: Mapping[str, Form]
) -> None:
    """Hold the type of every column against its contract.

    Args:
        path: the Parquet file.
        types: column -> its type in the file; others than those of the contract are passed over.
        columns: column -> DuckDB type that the contract asks for.
        forms: what some columns hold.

    Raises:
        InputError: no value of a column's type can be what the contract asks for.
    """
    for column, kind in columns.items():
        if column in types and not _fits(types[column], kind, forms.get(column)):
            raise _misfit(path, column, types[column], kind, forms.get(column))


def text_of(column: str, kind: DuckDBPyType, wanted: str) -> str:
    """SQL for ``column``, whose type in the file is ``kind``, as the text that a CSV file would hold.

    Args:
        column: its name.
        kind: its type in the file.
        wanted: DuckDB type that the contract asks for.

    A list of numbers is written as one of integers where they are whole: [9.0, 19.0] is [9, 19]. True is 1 among
    numbers.
    """
    name = quoted(column)
    if kind.id == "boolean" and wanted in NUMBERS:
        return f"cast(cast({name} as integer) as varchar)"
    if kind.id == "list" and _inner(kind).id in _FLOATS:
        # As far as a double is exact.
        whole = f"list_bool_and(list_transform({name}, lambda one: one = floor(one) and abs(one) < 9007199254740992))"
        return f"case when {whole} then cast(cast({name} as bigint[]) as varchar) else cast({name} as varchar) end"
    return f"cast({name} as varchar)"


def looks_like_time(value: str) -> bool:
    """Whether a text is a day or a time, with or without a zone.

    >>> [looks_like_time(text) for text in ("2020-07-05", "2020-07-05T00:08:23.4Z", "5.7.2020 10:00", "07/05", "7.5")]
    [True, True, True, False, False]
    """
    return _TIME_TEXT.match(value) is not None


def _fits(kind: DuckDBPyType, wanted: str, form: Form | None) -> bool:
    name = kind.id
    if name in _TEXTS:
        return True
    if wanted in NUMBERS or wanted == "BOOLEAN":
        return name in _NUMERIC or name == "boolean"
    if name == "list":
        return _inner(kind).id in _NUMERIC | _TEXTS
    if form and form.is_list:
        return False
    return name in _NUMERIC | _TIMES | {"boolean", "uuid"}


def _inner(kind: DuckDBPyType) -> DuckDBPyType:
    ((_, child),) = kind.children
    assert isinstance(child, DuckDBPyType)  # noqa: S101 - a list has one type inside
    return child


def _misfit(path: Path, column: str, kind: DuckDBPyType, wanted: str, form: Form | None) -> InputError:
    words = form.words if form else _WORDS.get(wanted, wanted)
    told = str(kind)
    shown = told if len(told) <= _SHOWN else f"{told[: _SHOWN - 3]}..."
    problem = f"{path}, column {column}: its type is {shown}, and it must be {words}"
    if kind.id in _TIMES and form and form.from_time:
        made = form.from_time.format(_spoken(column))
        # For people to type: nothing runs it.
        select = f"select * replace ({made} as {_spoken(column)}) from {literal(str(path))}"  # noqa: S608
        remedy = f"Write it with {made}, in DuckDB: copy ({select}) to 'new.parquet'."
    elif kind.id == "blob":
        remedy = f"Write it as text; DuckDB's decode({_spoken(column)}) makes UTF-8 text of bytes."
    elif kind.id == "list":
        remedy = "Write one value a row."
    else:
        remedy = f"Write the column as {words}."
    return InputError(problem, f"{remedy} Nothing was written.")


def _spoken(name: str) -> str:
    """``name`` as a SQL identifier, as people write it."""
    return name if name.isidentifier() else quoted(name)
