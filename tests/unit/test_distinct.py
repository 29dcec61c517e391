"""`kraft.engine.sql.distinct`: the bytes of the grouped table, and no grouping where no row repeats."""

import dataclasses

import pytest
from small_log import Row, run_build, write_raw

from kraft.engine.sql import builder
from kraft.engine.sql.distinct import DISTINCT, repeats, ungrouped
from kraft.engine.sql.queries import all_queries
from kraft.errors import QueryError

LATE = [Row(user, 10 + item, timestamp=1.593e9 - 7 * item + user) for user in range(6) for item in range(8)]
UNTIMED = [Row(user, 12, date=None, timestamp=None) for user in (3, 1)]
LOGS = {
    "no row repeats": (LATE + UNTIMED, False),
    "a copy": ([*LATE, LATE[5]], True),
    "a copy without a time": (LATE + UNTIMED + UNTIMED, True),
    "a pair twice at one time": ([*LATE, LATE[5]._replace(date=20200801)], True),
    "few rows": (LATE[:5], False),
}


@pytest.mark.parametrize("log", LOGS)
def test_the_table_is_that_of_the_grouped_rows(tmp_path, monkeypatch, log):
    rows, expected = LOGS[log]
    raw = write_raw(tmp_path / "raw", rows, range(6))
    found = []

    def remembered(connection, table):
        found.append(repeats(connection, table))
        return found[-1]

    monkeypatch.setattr(builder, "repeats", remembered)
    run_build(raw, tmp_path / "as it is")
    assert found == [expected]
    monkeypatch.setattr(builder, "DISTINCT", {})
    run_build(raw, tmp_path / "grouped")
    made, grouped = ((tmp_path / one / "tables/interactions.parquet").read_bytes() for one in ("as it is", "grouped"))
    assert made == grouped


@pytest.mark.parametrize("table", DISTINCT)
def test_nothing_is_grouped(table):
    text = ungrouped(all_queries()[table])
    assert "group by" not in text
    assert "count(" not in text


def test_a_select_of_another_shape_is_refused():
    other = dataclasses.replace(all_queries()["interactions"], text="select 1 as copies order by 1")
    with pytest.raises(QueryError, match=r"interactions\.sql: it has to group by all columns and to count the rows$"):
        ungrouped(other)
