"""Every file of `sql/` on small tables: given these rows, exactly those, in that order.

A case is a file `cases/STAGE/TABLE/WHAT_IT_SHOWS.toml`:

    parameters = { positive_threshold = 1.0 }      # those of the file; leave the line out where it has none
    expected = '''
    item_id | interaction_count
    1       | 2
    '''
    [inputs]                                       # a table for each of the file's inputs
    interactions_train = '''
    item_id | positive_interaction
    1       | true
    1       |
    '''

An empty cell is NULL. `feat0..feat17` stands for all 18 columns, with the same value. Columns that an input
leaves out are NULL; `expected` has them all, in the order of the SELECT. Types come from `sql/` itself.
"""

import re
import tomllib
from pathlib import Path

import duckdb
import pytest
from sql_schemas import create_empty, schema_of

from kraft.engine.sql.queries import all_queries
from kraft.engine.sql.session import prepare

CASES = Path(__file__).parent / "cases"
FILES = sorted(CASES.glob("*/*/*.toml"))


def parse_table(text, table):
    """Columns and rows of a table drawn with bars; cells as texts, None where empty."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    columns, spread = [], []
    for place, name in enumerate(lines[0]):
        first, _, last = name.partition("..")
        numbers = range(int(re.search(r"\d+", first)[0]), int(re.search(r"\d+", last)[0]) + 1) if last else [""]
        names = [re.sub(r"\d+", str(number), first, count=1) if last else first for number in numbers]
        columns += names
        spread += [place] * len(names)
    unknown = set(columns) - set(schema_of(table))
    assert not unknown, f"{table} has no column {unknown}"
    assert {len(line) for line in lines} == {len(lines[0])}, f"{table}: a row is longer or shorter than the header"
    return columns, [[line[place] or None for place in spread] for line in lines[1:]]


def typed(connection, columns, rows, table):
    """The rows with each cell cast to its column's type."""
    schema = schema_of(table)
    cast = ", ".join(f"cast(? as {schema[name]})" for name in columns)
    return [connection.execute(f"select {cast}", row).fetchone() for row in rows]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CASES).with_suffix("")))
def test_case(path):
    query = all_queries()[path.parent.name]
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    assert set(case) <= {"parameters", "inputs", "expected"}
    assert set(case["inputs"]) == set(query.inputs)

    with duckdb.connect() as connection:
        prepare(connection, threads=1, kept=False, raw=False)
        for table, text in case["inputs"].items():
            columns, rows = parse_table(text, table)
            create_empty(connection, table)
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(f"insert into {table} ({', '.join(columns)}) values ({marks})", row)
        columns, rows = parse_table(case["expected"], query.name)
        expected = typed(connection, columns, rows, query.name)
        result = connection.execute(query.text, case.get("parameters", {}))
        assert [column[0] for column in result.description] == columns
        assert result.fetchall() == expected


def test_every_file_has_a_case():
    with_case = {(path.parent.parent.name, path.parent.name) for path in FILES}
    assert with_case == {(query.stage, query.name) for query in all_queries().values()}
