"""Every way in which a file that an option names can be bad, and the one message that it is refused with."""

import datetime as dt

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matching import exactly

from kraft.engine.sql import given
from kraft.engine.sql.given import FINITE, ID, ROW_NUMBER, TIME, GivenFile
from kraft.engine.sql.ids import read_ids
from kraft.errors import InputError

PAIRS = {"user_id": ID, "item_id": ID, "timestamp": TIME}
SCORED = {"user_id": ID, "item_id": ID, "score": FINITE}
USERS = {"user_id": ID}
IDS = "an integer from 0 to 2,147,483,647, as ids are"
MISSING = f"the value is missing: it must be {IDS}"
ROW = "Correct the row. Nothing was written."
GIVE = "Give a CSV or Parquet file with the columns user_id and item_id (or video_id)."
TWO = b"user_id,item_id\n1,2\n"


def take(path, columns, connection, **options):
    rows = GivenFile(path, columns).take(connection, path.parent / "copy.parquet", 1, **options)
    found = pl.read_parquet(path.parent / "copy.parquet")
    assert len(found) == rows
    return found


def refused(path, columns, connection, problem, remedy):
    with pytest.raises(InputError, match=exactly(f"{path}{problem}\n       {remedy}")):
        take(path, columns, connection)


@pytest.mark.parametrize(
    ("columns", "content", "problem", "remedy"),
    [
        (PAIRS, b"user_id,item_id\nu12,2\n", f", line 2, column user_id: 'u12' is not {IDS}", ROW),
        (PAIRS, b"user_id,item_id\n3000000000,2\n", f", line 2, column user_id: '3000000000' is not {IDS}", ROW),
        (PAIRS, b"user_id,item_id\n1,2.5\n", f", line 2, column item_id: '2.5' is not {IDS}", ROW),
        (PAIRS, TWO + b"1,\xff\n", f", line 3, column item_id: '\ufffd' is not {IDS}", ROW),
        (
            PAIRS,
            b"user_id,item_id,note\n1,2,\xff\n1,x,\n",
            f", line 3, column item_id: 'x' is not {IDS}",
            ROW,
        ),
        (PAIRS, TWO + b'"1\n,3\n', ", line 3: not a valid CSV row (Value with unterminated quote found)", ROW),
        (PAIRS, b"user_id,item_id\n1,2,3\n", ", line 2: 3 fields where the header has 2", ROW),
        (
            PAIRS,
            b"user_id,item_id,timestamp\n1,2,2020-07-05 12:00:00\n",
            ", line 2, column timestamp: '2020-07-05 12:00:00' is not a finite number (seconds since 1970)",
            ROW,
        ),
        (PAIRS, TWO + b"-1,2\n", f", line 3, column user_id: '-1' is not {IDS}", ROW),
        (PAIRS, TWO + b"-1,2,\n", f", line 3, column user_id: '-1' is not {IDS}", ROW),
        (PAIRS, TWO + b"\n,2\n", f", line 4, column user_id: {MISSING}", ROW),
        (PAIRS, b"user_id,video_id\n1,-7\n", f", line 2, column video_id: '-7' is not {IDS}", ROW),
        (PAIRS, b"user_id,item_id,timestamp\n1,2,inf\n", ", line 2, column timestamp: 'inf' is not " + TIME.words, ROW),
        (PAIRS, b"", ": the file is empty", GIVE),
        (PAIRS, b"\n1,2\n", ": line 1 is empty where the header should be", GIVE),
        (
            PAIRS,
            b"user_id,item_id\n",
            ": it has no rows",
            "Give at least one row with the columns user_id and item_id (or video_id).",
        ),
        (PAIRS, b"user,item_id\n1,2\n", ": column user_id is missing (found: user, item_id)", GIVE),
        (PAIRS, b"user_id,item_id,item_id\n1,2,3\n", ", line 1: column item_id occurs twice", GIVE),
        (PAIRS, b"user_id,video_id,video_id\n1,2,3\n", ", line 1: column video_id occurs twice", GIVE),
        (SCORED, b"user_id,item_id,score\n1,2,nan\n", ", line 2, column score: 'nan' is not a finite number", ROW),
        (SCORED, b"user_id,item_id,score\n1,2,-inf\n", ", line 2, column score: '-inf' is not a finite number", ROW),
        (
            SCORED,
            b"user_id,item_id,score\n1,2,\n",
            ", line 2, column score: the value is missing: it must be a finite number",
            ROW,
        ),
        (SCORED, b"user_id,item_id,score\n1,2,high\n", ", line 2, column score: 'high' is not a finite number", ROW),
        (USERS, b'user_id\n1\n\n""\n', f", line 4, column user_id: {MISSING}", ROW),
        (USERS, b"user_id\n\n\n", ": it has no rows", "Give at least one row with the column user_id."),
        (
            USERS,
            b"user\n1\n",
            ": column user_id is missing (found: user)",
            "Give a CSV or Parquet file with the column user_id.",
        ),
    ],
)
def test_bad_csv(tmp_path, connection, columns, content, problem, remedy):
    (tmp_path / "given.csv").write_bytes(content)
    refused(tmp_path / "given.csv", columns, connection, problem, remedy)


@pytest.mark.parametrize(
    ("columns", "data", "problem"),
    [
        (PAIRS, {"user_id": ["1", "u12"], "item_id": [1, 2]}, f", row 2, column user_id: 'u12' is not {IDS}"),
        (PAIRS, {"user_id": [1, 2**40], "item_id": [1, 2]}, f", row 2, column user_id: '{2**40}' is not {IDS}"),
        (PAIRS, {"user_id": [1, 2], "item_id": [1.0, 2.5]}, f", row 2, column item_id: '2.5' is not {IDS}"),
        (PAIRS, {"user_id": [1, -1], "video_id": [1, 2]}, f", row 2, column user_id: '-1' is not {IDS}"),
        (PAIRS, {"user_id": [1, None], "item_id": [1, 2]}, f", row 2, column user_id: {MISSING}"),
        (PAIRS, {"user_id": ["", "1"], "item_id": [1, 2]}, f", row 1, column user_id: {MISSING}"),
        ({"item_id": ID}, {"video_id": ["one"]}, f", row 1, column video_id: 'one' is not {IDS}"),
        (
            SCORED,
            {"user_id": [1], "item_id": [1], "score": [float("nan")]},
            ", row 1, column score: 'nan' is not a finite number",
        ),
    ],
)
def test_bad_parquet(tmp_path, connection, columns, data, problem):
    pl.DataFrame(data).write_parquet(tmp_path / "given.parquet")
    refused(tmp_path / "given.parquet", columns, connection, problem, ROW)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"user_id": [[1]], "item_id": [1]}, r"column user_id: its type is BIGINT\[\]"),
        (
            {"user_id": [1], "item_id": [1], "timestamp": [dt.datetime(2020, 7, 5, 12)]},  # noqa: DTZ001
            "column timestamp: its type is TIMESTAMP",
        ),
    ],
)
def test_a_parquet_column_of_another_type_is_told_by_its_type(tmp_path, connection, data, told):
    pl.DataFrame(data).write_parquet(tmp_path / "given.parquet")
    with pytest.raises(InputError, match=told):
        take(tmp_path / "given.parquet", PAIRS, connection)


def test_parquet_with_a_column_twice(tmp_path, connection):
    ids = pa.array([1], pa.int32())
    nested = pa.array([{"user_id": 1, "a": [2]}])
    table = pa.table([nested, ids, ids, ids], names=["note", "user_id", "item_id", "user_id"])
    pq.write_table(table, tmp_path / "given.parquet")
    refused(tmp_path / "given.parquet", PAIRS, connection, ", line 1: column user_id occurs twice", GIVE)


def test_parquet_that_is_none(tmp_path, connection):
    (tmp_path / "given.parquet").write_bytes(b"user_id,item_id\n1,2\n")
    with pytest.raises(InputError, match=r"given\.parquet: it is text, not Parquet"):
        take(tmp_path / "given.parquet", PAIRS, connection)


@pytest.mark.parametrize("item", ["item_id", "video_id"])
def test_rows_are_sorted_with_their_place_whatever_the_file_calls_its_videos(tmp_path, connection, item):
    path = tmp_path / "given.csv"
    path.write_bytes(f'note,{item},user_id\r\nx,7,2\r\n\r\n,1e0,2\r\n,5," 1 "\r\n'.encode())
    assert take(path, PAIRS, connection, sort_by=("user_id", "item_id")).rows() == [
        (1, 5, None, 3),
        (2, 1, None, 2),
        (2, 7, None, 1),
    ]
    assert take(path, PAIRS, connection).columns == ["user_id", "item_id", "timestamp", ROW_NUMBER]


def test_parquet_of_other_types_is_cast(tmp_path, connection):
    data = {"user_id": ["2", "1"], "video_id": [1.0, 2.0], "timestamp": [None, 3], "item": [[1], None]}
    pl.DataFrame(data).write_parquet(tmp_path / "given.parquet")
    assert take(tmp_path / "given.parquet", PAIRS, connection).rows() == [(2, 1, None, 1), (1, 2, 3.0, 2)]


def test_empty_lines_are_no_rows_in_a_file_of_one_column_either(tmp_path, connection):
    path = tmp_path / "users.csv"
    path.write_bytes(b"user_id\n5\n\n3\n5\n\n\n")
    found = read_ids(path, "user_id", connection, tmp_path, 1, {})
    assert (found.column, found.ids.tolist(), found.repeated) == ("user_id", [3, 5], 1)


def test_a_file_that_changes_while_it_is_read(tmp_path, connection, monkeypatch):
    path = tmp_path / "given.csv"
    path.write_bytes(TWO)
    real = given.Parquet.register

    def register(source, *arguments):
        path.write_bytes(TWO * 2)
        real(source, *arguments)

    monkeypatch.setattr(given.Parquet, "register", register)
    with pytest.raises(InputError, match=r"given\.csv: it changed while it was read"):
        take(path, PAIRS, connection)
