"""`kraft.engine.sql.queries`: headers as they are read, and headers that are refused."""

import pytest

from kraft.engine.sql import queries
from kraft.engine.sql.queries import all_queries, checks_of, parse, used_parameters
from kraft.errors import QueryError

FILE = """\
-- What it is for.
-- A second line.
--
-- Grain:      one row a thing
--             of the log
-- Inputs:     first_table, second_table
-- Parameters: $low (from 0), $high
-- Columns:
--   user_id     id of the user
--   feat8..feat10  a code
--               that goes on here
select user_id, feat8, feat9, feat10 -- not $this
from first_table, second_table where x > $low and x < $high
-- Grain: not a header any more
"""


def write(folder, text, name="thing"):
    path = folder / "stage" / f"{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_is_read(tmp_path):
    query = parse(write(tmp_path, FILE))
    assert (query.name, query.stage, query.text) == ("thing", "stage", FILE)
    assert query.purpose == "What it is for. A second line."
    assert query.grain == "one row a thing of the log"
    assert query.inputs == ("first_table", "second_table")
    assert query.parameters == ("low", "high")
    code = "a code that goes on here"
    assert query.columns["user_id"] == "id of the user"
    assert list(query.columns) == ["user_id", "feat8", "feat9", "feat10"]
    assert query.columns["feat10"] == code


def test_what_is_left_out_is_nothing(tmp_path):
    query = parse(write(tmp_path, "-- Purpose.\nselect 1 as one\n"))
    assert (query.inputs, query.parameters, query.columns, query.guards) == ((), (), {}, "")


@pytest.mark.parametrize(
    ("header", "select"), [("", "select $high"), ("$high", "select 1 -- $high"), ("$low", "select $high")]
)
def test_parameters_that_are_not_those_of_the_select(tmp_path, header, select):
    path = write(tmp_path, f"-- Purpose.\n-- Parameters: {header}\n{select}\n")
    with pytest.raises(QueryError, match=r"thing\.sql: the header's parameters \(.*\) are not those of the SELECT$"):
        parse(path)


def test_parameters_in_comments_do_not_count():
    assert used_parameters("select $one -- $two\n-- $three\nfrom t where x = $one") == {"one"}


def test_digest_changes_with_the_text(tmp_path):
    first = parse(write(tmp_path, FILE)).digest
    assert parse(write(tmp_path, FILE)).digest == first
    assert parse(write(tmp_path, FILE + "\n")).digest != first


@pytest.fixture
def sql_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "SQL_FOLDER", tmp_path)
    all_queries.cache_clear()
    yield tmp_path
    all_queries.cache_clear()


def test_two_files_of_one_name(sql_folder):
    for stage in ("one", "two"):
        (sql_folder / stage).mkdir()
        (sql_folder / stage / "same.sql").write_text("-- P.\nselect 1\n", encoding="utf-8")
    with pytest.raises(QueryError, match=r"two/same\.sql: a table of this name stands in sql/one too"):
        all_queries()


def test_no_file_at_all(sql_folder):
    with pytest.raises(QueryError, match="no SQL file is there"):
        all_queries()
    assert list(sql_folder.iterdir()) == []


def test_checks_of_a_table():
    assert [check.name for check in checks_of("interactions")] == ["interactions_in_range", "interactions_present"]
    assert checks_of("item_counts") == []
