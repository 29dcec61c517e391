"""The files of `sql/`: found, read, and held to what their headers say.

A file is one SELECT over logical table names. Its header is the documentation and the contract:

    -- What the table is for.
    --
    -- Grain:      one row a ...
    -- Inputs:     interactions_train, user_index
    -- Parameters: $positive_threshold        (or: none)
    -- Columns:
    --   item_id      id of the video
    --   seconds      how long [s]
    -- Order:      as interactions_train by user_id, item_id    (see below; only where it holds)
    -- Spans:      interactions_test, taste_totals by user_id  (see below; only where it holds)
    -- Merges:     sum(copies), max(last_time)    (see below; only where rows are merged)
    -- Guards:     interactions               (checks only: the table whose publish they stop)
    -- Rejects:    raw_interactions           (checks only: see below)

Every table has one order of rows, so that equal inputs give equal bytes. Either the SELECT sorts, or it
keeps the order of an input, which its header then says: the engine runs it so that order is preserved and
compares the named columns row by row with that input before it publishes. For a wide table that is two to
three times faster than sorting it again.

A sort carries, spills and reads again every column of every row. Where columns of a long table follow from others, the
sort is the last CTE, called `sorted`, and the SELECT from it adds them: 60 M watch times with three columns less take
a tenth less time.

Where a file says Spans, what it makes of the rows of one user_id it makes of that user's rows of the named inputs alone
(and of the other inputs as a whole), and the users follow one another. So a large table can be made a span of users at
a time, in memory that does not grow with it (`kraft.engine.spans`). How long the spans are goes by the rows of all
named inputs.

Rows of the result that are alike but for the columns under Merges become one row, with the sum of those integers, the
least or the greatest of those values, or the mean of those doubles (to 9 decimals). The SELECT itself only sorts, by
columns that tell nearly all rows apart, the last of which is never NULL: where no neighbours are alike in these, every
row has its place and none repeats. Only if the engine finds such neighbours does it group the rows by all other columns
and sort by all. Grouping every column of a log without repeats takes three times as long as that look, and sorting by
every column a sixth longer than by three.

A check that Rejects a raw table finds rows that are wrong by themselves: the rows of the raw table with the values
that it shows, under the raw table's names of columns. They can be set aside (`kraft.engine.rejects`). Its rule begins
with the name of the column that it is about.

Where another engine cannot say a table in the same words, a file NAME.ENGINE.sql beside it says it for that engine:
the same rows in the same order.
"""

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kraft.errors import QueryError

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql"

_FIELD = re.compile(r"^(Grain|Inputs|Parameters|Columns|Order|Spans|Merges|Guards|Rejects):\s*(.*)$")
_COLUMN = re.compile(r"^\s{2}(\w+(?:\.\.\w+)?)\s{2,}(\S.*)$")
_MERGE = re.compile(r"(\w+)\((\w+)\)")
_PARAMETER = re.compile(r"\$(\w+)")
_SORT = re.compile(r"\border by\s+([^()]+?)(?:\n\)\s*select\s.*\sfrom sorted)?\s*$", re.DOTALL)

MERGED = {
    "sum": "cast(sum({0}) as integer)",
    "min": "min({0})",
    "max": "max({0})",
    # Sums of doubles depend on the order of the rows; sums of decimals do not.
    "mean": "cast(sum(cast({0} as decimal(18, 9))) as double) / count(*)",
}
"""How a column of alike rows is merged; all but `sum`, which is of 32-bit integers, keep the type."""


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
    order: tuple[str, ...] = ()
    """The input whose row order is kept, then the columns that prove it; empty where the SELECT sorts."""
    spans: tuple[str, ...] = ()
    """The column by which the table can be made span by span, then the inputs whose rows go by it; empty where it
    cannot."""
    merges: dict[str, str] = field(default_factory=dict)
    """Column -> how it is merged over rows that are alike otherwise, a key of `MERGED`; empty where rows stay as they
    are."""
    guards: str = ""
    rejects: str = ""
    siblings: dict[str, str] = field(default_factory=dict)
    """Engine -> the same table as that engine has to say it: the file NAME.ENGINE.sql beside this one."""

    @property
    def digest(self) -> str:
        """Changes when the file or a sibling does."""
        return hashlib.sha256("".join((self.text, *self.siblings.values())).encode()).hexdigest()[:16]

    @property
    def keys(self) -> list[str]:
        """The columns that tell rows apart: all but the merged ones."""
        return [name for name in self.columns if name not in self.merges]

    @property
    def sorted_by(self) -> list[str]:
        """The columns that the SELECT sorts by, the first first."""
        return [key.split()[0] for key in sort_of(self.text)]

    def merged(self, rows: str) -> str:
        """A SELECT that merges alike rows of ``rows``, in the order of the file and then of all its columns; ``rows``
        is this SELECT in brackets, or a table of its result.

        >>> columns, merges = {"a": "", "b": "", "n": ""}, {"n": "max"}
        >>> Query("t", "s", "select a, b, n from u order by a", columns=columns, merges=merges).merged("made")
        'select a, b, max(n) as n from made group by a, b order by a, b'
        """
        columns = ", ".join(
            f"{MERGED[self.merges[name]].format(name)} as {name}" if name in self.merges else name
            for name in self.columns
        )
        order = ", ".join([*sort_of(self.text), *(name for name in self.keys if name not in self.sorted_by)])
        return f"select {columns} from {rows} group by {', '.join(self.keys)} order by {order}"  # noqa: S608

    @property
    def whole(self) -> str:
        """All that the file means as one SELECT, alike rows merged: what an engine without the shortcut runs."""
        return self.merged(f"({self.text}\n) as listed") if self.merges else self.text


def sort_of(text: str) -> list[str]:
    r"""What a SELECT, or the CTE `sorted` that it selects from, sorts by; empty where neither sorts.

    >>> sort_of("select a, b from t order by a desc, b")
    ['a desc', 'b']
    >>> sort_of("with sorted as (select a, b from t order by b\n) select a, b, (1) as n from sorted")
    ['b']
    >>> sort_of("select sum(a) over (order by b) as c from t")
    []
    """
    found = _SORT.search(text)
    return [key.strip() for key in found[1].split(",")] if found else []


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
        order=_order(fields.get("Order", "")),
        spans=_spans(fields.get("Spans", "")),
        merges={name: how for how, name in _MERGE.findall(fields.get("Merges", ""))},
        guards=fields.get("Guards", ""),
        rejects=fields.get("Rejects", ""),
        siblings={
            beside.suffixes[0][1:]: beside.read_text(encoding="utf-8")
            for beside in sorted(path.parent.glob(f"{path.stem}.*.sql"))
        },
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
    names = tuple(part.strip() for part in listed.split(",") if part.strip())
    return () if names == ("none",) else names


def _order(sentence: str) -> tuple[str, ...]:
    """`as TABLE by COLUMN, COLUMN` as (TABLE, COLUMN, COLUMN)."""
    match = re.match(r"as (\w+) by (.+)$", sentence)
    return (match[1], *_names(match[2])) if match else ()


def _spans(sentence: str) -> tuple[str, ...]:
    """`TABLE, TABLE by COLUMN` as (COLUMN, TABLE, TABLE)."""
    tables, by, column = sentence.partition(" by ")
    return (column.strip(), *_names(tables)) if by else ()


@cache
def all_queries() -> dict[str, Query]:
    """Every file of `sql/` by its name.

    Raises:
        QueryError: the folder is missing, or two files share a name.
    """
    found: dict[str, Query] = {}
    for path in sorted(SQL_FOLDER.glob("*/*.sql")):
        if len(path.suffixes) > 1:
            # A sibling.
            continue
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
