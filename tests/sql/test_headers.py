"""What the header of a file of `sql/` says is what its SELECT does; and the SELECT stays inside the dialect that
DuckDB and Spark share.
"""

import re

import duckdb
import pytest
from sql_schemas import OUTSIDE, schema_of

from kraft.engine.sql.queries import SQL_FOLDER, all_queries, used_parameters

QUERIES = all_queries()
MOST_LINES = 60
FORBIDDEN = {
    "a file or a command": r"\b(read_csv|read_parquet|copy|create|insert|attach|pragma|set)\b|from\s+'",
    "len of a list": r"\blen\s*\(",
    "an array type made of text": r"::",
    "an aggregate with its own order": r"\b(first|last|list|array_agg)\s*\(",
    "* replace or columns()": r"\breplace\s*\(|\bcolumns\s*\(",
    "a list function": r"\blist_\w+\s*\(|\[[^\]]* for ",
    "a join or shape that Spark lacks": r"\b(asof|positional|pivot|unpivot|by\s+name|materialized)\b",
    "a table of numbers": r"\b(range|generate_series)\s*\(",
    "hash": r"\bhash\s*\(",
    "log without its base": r"\blog\s*\(",
    "days of the week": r"\b(iso)?dow\b",
    "an approximate quantile": r"\b(quantile_\w+|percentile_\w+|approx_\w+)\b",
    "a window without a total order": r"over\s*\(\s*\)|\bwith\s+ordinality\b|\bexclude\s+(current|group|ties)\b",
    "regexp_replace of the first match": r"\bregexp_replace\s*\((?![^;]*'g')",
}


def code_of(text):
    """The SELECT without comments."""
    return "\n".join(line.split("--")[0].rstrip() for line in text.splitlines() if line.split("--")[0].strip())


@pytest.fixture(params=QUERIES.values(), ids=lambda query: f"{query.stage}/{query.name}")
def query(request):
    return request.param


def test_header_is_complete(query):
    assert query.purpose.endswith(".")
    assert all(line for line in query.columns.values())
    if query.stage == "checks":
        assert query.guards in QUERIES
        assert not query.columns
    else:
        assert query.grain
        assert query.columns
        assert not query.guards


def test_columns_are_those_of_the_select(query):
    if query.stage == "checks":
        # What a check shows is up to it, but the rule comes first.
        assert next(iter(schema_of(query.name))) == "rule"
    else:
        assert set(query.columns) == set(schema_of(query.name))


def test_inputs_are_the_tables_of_the_select(query):
    referenced = duckdb.get_table_names(re.sub(r"\$\w+", "null", query.text))
    assert set(query.inputs) == referenced
    assert all(part in QUERIES or part in OUTSIDE for part in query.inputs)


def test_parameters_are_those_of_the_select(query):
    assert set(query.parameters) == used_parameters(query.text)


def test_one_select_that_fits_a_screen(query):
    assert len(duckdb.extract_statements(query.text)) == 1
    assert duckdb.extract_statements(query.text)[0].type == duckdb.StatementType.SELECT
    assert len(code_of(query.text).splitlines()) <= MOST_LINES
    assert max(map(len, query.text.splitlines())) <= 180


def test_rows_have_an_order(query):
    ordered = re.search(r"^order by ", code_of(query.text), re.MULTILINE)
    assert ordered or query.grain == "one row" or query.stage == "checks"


def test_header_leaves_out_what_is_not_there_and_says_each_column_by_itself(query):
    header = query.text[: query.text.index("\n" + code_of(query.text).splitlines()[0])]
    assert not re.search(r":\s+none$|\bas above\b|\blike the next\b", header, re.MULTILINE)


def test_dialect(query):
    code = code_of(query.text).lower()
    assert not [(what, found[0]) for what, rule in FORBIDDEN.items() if (found := re.search(rule, code))]


def test_every_file_is_found():
    files = list(SQL_FOLDER.rglob("*.sql"))
    assert len(QUERIES) == len(files)
