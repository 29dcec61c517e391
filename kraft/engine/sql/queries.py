"""The files of `sql/`: found, read, and held to what their headers say.

A file is one SELECT over logical table names, and the SELECT is the table: its rows, in its order. The header is the
documentation and the contract:

    -- What the table is for.
    --
    -- Grain:      one row a ...
    -- Inputs:     interactions_train, user_index
    -- Parameters: $positive_threshold        (left out where there are none)
    -- Columns:
    --   item_id      id of the video
    --   seconds      how long [s]
    -- Guards:     interactions               (checks only: the table whose publish they stop)
    -- Rejects:    raw_interactions           (checks only: see below)

A check that Rejects a raw table finds rows that are wrong by themselves: the rows of the raw table with the values
that it shows, under the raw table's names of columns. They can be quarantined (`engine.quarantine`). Its rule begins
with the name of the column that it is about.
"""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kraft.errors import QueryError

SQL_FOLDER = Path(__file__).resolve().parents[3] / "sql"

_FIELD = re.compile(r"^(Grain|Inputs|Parameters|Columns|Guards|Rejects):\s*(.*)$")
_COLUMN = re.compile(r"^\s{2}(\w+(?:\.\.\w+)?)\s{2,}(\S.*)$")
_PARAMETER = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class Query:
    """One file of `sql/`."""

    name: str
    """The file's name without .sql; the table's name. Unique over all folders."""
    stage: str
    """The folder."""
    text: str
    """The whole file."""
    purpose: str = ""
    grain: str = ""
    inputs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    guards: str = ""
    rejects: str = ""

    @property
    def digest(self) -> str:
        """Changes when the file does."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def used_parameters(text: str) -> set[str]:
    """Names of the `$parameters` that the SELECT really uses, comments aside."""
    code = "\n".join(line.split("--")[0] for line in text.splitlines())
    return set(_PARAMETER.findall(code))


def parse(path: Path) -> Query:
    """Read one file and its header.

    Raises:
        QueryError: the header lacks a field, or names other parameters than the SELECT uses.
    """
    text = path.read_text(encoding="utf-8")
    purpose: list[str] = []
    fields: dict[str, str] = {}
    columns: dict[str, str] = {}
    current, last_column = "", ""
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        body = line[2:].removeprefix(" ").rstrip()
        if match := _FIELD.match(body):
            current = match[1]
            fields[current] = match[2]
        elif current == "Columns" and (match := _COLUMN.match(body)):
            for last_column in _expanded(match[1]):
                columns[last_column] = match[2]
        elif current == "Columns" and last_column and body:
            columns[last_column] += " " + body.strip()
        elif current and body:
            fields[current] += " " + body.strip()
        elif not current:
            purpose.append(body)
    query = Query(
        name=path.stem,
        stage=path.parent.name,
        text=text,
        purpose=" ".join(part for part in purpose if part),
        grain=fields.get("Grain", ""),
        inputs=_names(fields.get("Inputs", "")),
        parameters=tuple(_PARAMETER.findall(fields.get("Parameters", ""))),
        columns=columns,
        guards=fields.get("Guards", ""),
        rejects=fields.get("Rejects", ""),
    )
    if set(query.parameters) != used_parameters(text):
        raise QueryError(f"{path}: the header's parameters {query.parameters} are not those of the SELECT")
    return query


def _expanded(columns: str) -> list[str]:
    """`feat0..feat2` as feat0, feat1, feat2; a single name as itself."""
    first, _, last = columns.partition("..")
    if not last:
        return [first]
    begin, end = (int(re.findall(r"\d+", name)[0]) for name in (first, last))
    return [re.sub(r"\d+", str(number), first, count=1) for number in range(begin, end + 1)]


def _names(listed: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in listed.split(",") if part.strip())


@cache
def all_queries() -> dict[str, Query]:
    """Every file of `sql/` by its name.

    Raises:
        QueryError: the folder is missing, or two files share a name.
    """
    found: dict[str, Query] = {}
    for path in sorted(SQL_FOLDER.glob("*/*.sql")):
        query = parse(path)
        if query.name in found:
            raise QueryError(f"{path}: a table of this name stands in sql/{found[query.name].stage} too")
        found[query.name] = query
    if not found:
        raise QueryError(f"{SQL_FOLDER}: no SQL file is there")
    return found


def checks_of(table: str) -> list[Query]:
    """The checks that must find no row before ``table`` is published."""
    return [query for query in all_queries().values() if query.guards == table]
