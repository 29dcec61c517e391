"""`kraft.engine.sql.raw_file`: what is read from a raw file, and the one line that a broken one is refused with."""

import re

import duckdb
import polars as pl
import pytest
from matching import exactly
from small_log import LOG_HEADER

from kraft.engine.paths import file_state
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.sources import AbsentFile, Parquet
from kraft.errors import InputError
from kraft.logs.contracts import INTERACTION_COLUMNS

GOOD = "1,2,3,4,2020-07-05 00:08:23.438,20200705.0,1593878903.438,0.75"
READ = (1, 2, 3, 4, 20200705, 1593878903.438, 0.75)
INTEGER = "is not an integer (from -2,147,483,648 to 2,147,483,647)"
CORRECT = "\n       Correct the row. Nothing was written."
COLUMNS = "\n       Give a file with KuaiRec's columns."


def log(folder, content, name="log.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return RawFile(path, INTERACTION_COLUMNS, optional=frozenset({"date"}))


def read(file):
    """All rows, as a build reads them: DuckDB's errors explained."""
    with duckdb.connect(config={"threads": 1}) as connection:
        file.register(connection, "log")
        try:
            return connection.execute("select * from log").fetchall()
        except duckdb.Error as error:
            raise file.explain(error) or error from error


def lines(*rows):
    return "\n".join((LOG_HEADER, *rows)) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        lines(GOOD),
        "\ufeff" + lines(GOOD),
        lines(GOOD).replace("\n", "\r\n"),
        lines(GOOD).removesuffix("\n"),
        lines(GOOD.replace("1,2,", '"1","2",')),
        lines(GOOD.replace("20200705.0", "20200705")),
        lines(GOOD.replace("1,2,3,", "1.0,2.0,3.0,")),
        # More columns than the contract's, nameless and repeated ones among them, are passed over.
        lines(GOOD + ",x,y,z").replace("watch_ratio", "watch_ratio,,like,like"),
    ],
    ids=["plain", "bom", "crlf", "no last line end", "quoted", "big_matrix's date", "whole floats", "more columns"],
)
def test_accepted(tmp_path, content):
    assert read(log(tmp_path, content)) == [READ]


def test_header_alone_is_no_rows(tmp_path):
    assert read(log(tmp_path, LOG_HEADER + "\n")) == []


def test_empty_values_are_null(tmp_path):
    assert read(log(tmp_path, lines("1,2,3,4,,,,0.75"))) == [(1, 2, 3, 4, None, None, 0.75)]


def test_optional_column_may_be_missing(tmp_path):
    file = log(tmp_path, "video_id,user_id,play_duration,video_duration,timestamp,watch_ratio\n2,1,3,4,5,0.75\n")
    assert read(file) == [(1, 2, 3, 4, None, 5.0, 0.75)]


BAD_ROWS = {
    "abc": (GOOD.replace("1,2,", "abc,2,"), f", line 3, column user_id: 'abc' {INTEGER}"),
    "fraction": (GOOD.replace("1,2,", "1,2.5,"), f", line 3, column video_id: '2.5' {INTEGER}"),
    "beyond int32": (GOOD.replace("1,2,", "2147483648,2,"), f", line 3, column user_id: '2147483648' {INTEGER}"),
    "nan duration": (GOOD.replace(",3,4,", ",nan,4,"), f", line 3, column play_duration: 'nan' {INTEGER}"),
    "huge date": (GOOD.replace("20200705.0", "1e20"), f", line 3, column date: '1e20' {INTEGER}"),
    "text ratio": (GOOD.replace("0.75", "high"), ", line 3, column watch_ratio: 'high' is not a number"),
    "comma decimals": (GOOD.replace("0.75", '"0,75"'), ", line 3, column watch_ratio: '0,75' is not a number"),
    "too few": ("1,2,3", ", line 3: 3 fields where the header has 8"),
    "cut off": (GOOD[:30], ", line 3: 5 fields where the header has 8"),
    "too many": (GOOD + ",9", ", line 3: 9 fields where the header has 8"),
    "open quote": (
        GOOD.replace("2020-", '"2020-'),
        ", line 3: not a valid CSV row (Value with unterminated quote found)",
    ),
}


@pytest.mark.parametrize(("row", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_row(tmp_path, row, message):
    file = log(tmp_path, lines(GOOD, row, GOOD))
    with pytest.raises(InputError, match=exactly(f"{file.path}{message}{CORRECT}")):
        read(file)


def test_first_bad_value_is_named_whatever_is_read_first(tmp_path):
    many = [GOOD] * 50_000
    many[777] = GOOD.replace("1,2,", "x,2,")
    many[40_000] = "y" + GOOD
    with pytest.raises(InputError, match=r"log\.csv, line 779, column user_id: 'x' is not"):
        read(log(tmp_path, lines(*many)))


def test_line_counts_line_ends_inside_quotes(tmp_path):
    file = log(tmp_path, lines(GOOD.replace("2020-07-05 00:08:23.438", '"a\nb"'), GOOD.replace("1,2,", "x,2,")))
    with pytest.raises(InputError, match=r"log\.csv, line 4, column user_id: 'x' is not an integer"):
        read(file)


BAD_FILES = {
    "empty": (b"", ": the file is empty", COLUMNS),
    "no header": ("\n" + lines(GOOD), ": line 1 is empty where the header should be", COLUMNS),
    "missing column": (
        lines(GOOD).replace("user_id", "uid"),
        (
            ": column user_id is missing (found: uid, video_id, play_duration, video_duration, time, date, timestamp, "
            "watch_ratio)"
        ),
        COLUMNS,
    ),
    "column twice": (
        lines(GOOD + ",1").replace("watch_ratio", "watch_ratio,user_id"),
        ", line 1: column user_id occurs twice",
        COLUMNS,
    ),
    "header not UTF-8": (
        lines(GOOD).replace("time,", "t\u00fcme,").encode("latin-1"),
        ", line 1: not UTF-8 text",
        "\n       Save the file as UTF-8.",
    ),
    "UTF-16": (lines(GOOD).encode("utf-16"), ", line 1: not UTF-8 text", "\n       Save the file as UTF-8."),
    "mixed line ends": (
        lines(GOOD).replace("\n", "\r\n") + GOOD + "\n",
        ": its lines end in different ways (CR LF and LF)",
        "\n       Write them all alike.",
    ),
}


@pytest.mark.parametrize(("content", "message", "remedy"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file(tmp_path, content, message, remedy):
    file = log(tmp_path, content)
    with pytest.raises(InputError, match=exactly(f"{file.path}{message}{remedy}")):
        read(file)


def test_row_that_is_not_utf8_is_named(tmp_path):
    file = RawFile(tmp_path / "captions.csv", {"video_id": "INTEGER", "caption": "VARCHAR"})
    file.path.write_bytes(b"video_id,caption\n1,ok\n2,\xfc\n")
    with pytest.raises(InputError, match=rf"^{file.path}, line 3: not UTF-8 text\n       Save the file as UTF-8\.$"):
        read(file)


def test_no_such_file(tmp_path):
    file = RawFile(tmp_path / "none.csv", INTERACTION_COLUMNS)
    with pytest.raises(InputError, match=r"none\.csv: no such file$"):
        file.header()


def test_stray_line_ends_inside_captions(tmp_path):
    file = RawFile(tmp_path / "c.csv", {"video_id": "INTEGER", "caption": "VARCHAR"}, stray_line_ends=True)
    file.path.write_bytes(b'video_id,caption,more\n1,a\rb,x\n2,"c\nd",y\n')
    assert read(file) == [(1, "a\rb"), (2, "c\nd")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"video_id,caption\n1,a\n2,b,c\n", r", line 3: 3 fields where the header has 2$"),
        (b"video_id,caption\n1\n", r", line 2: 1 fields where the header has 2$"),
        (b'video_id,caption\n1,"a"b\n', r", line 2: not a valid CSV row \("),
        (b'video_id,caption\n1,"a\n', r", line 2: not a valid CSV row \("),
        (b"video_id,caption\n1,\xfc\n", r": not UTF-8 text$"),
    ],
    ids=["more fields", "fewer fields", "quote inside", "open quote", "latin-1"],
)
def test_captions_that_are_no_csv(tmp_path, content, problem):
    file = RawFile(tmp_path / "c.csv", {"video_id": "INTEGER", "caption": "VARCHAR"}, stray_line_ends=True)
    file.path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read(file)
    assert re.search(re.escape(str(file.path)) + problem, refused.value.problem)


def test_captions_end_their_lines_either_way_and_empty_is_missing(tmp_path):
    file = RawFile(tmp_path / "c.csv", {"video_id": "INTEGER", "caption": "VARCHAR"}, stray_line_ends=True)
    file.path.write_bytes(b'\xef\xbb\xbfvideo_id,caption\r\n1,\r\n,"x ""y"", z"\r\n')
    assert read(file) == [(1, None), (None, 'x "y", z')]


# --- Parquet ----------------------------------------------------------------------------------


def parquet(folder, **values):
    complete = {column: [1, 2, 3] for column in INTERACTION_COLUMNS} | values
    path = folder / "log.parquet"
    pl.DataFrame(complete, strict=False).write_parquet(path)
    return RawFile(path, INTERACTION_COLUMNS)


def test_parquet_of_other_types_is_cast(tmp_path):
    file = parquet(tmp_path, user_id=["7", "8", None], play_duration=[1.0, 2.0, None])
    assert [(row[0], row[2]) for row in read(file)] == [(7, 1), (8, 2), (None, None)]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["1", "abc", "x"], "abc"),
        ([1, 3_000_000_000, 1], "3000000000"),
        ([1.0, 1.7, 1.0], "1.7"),
    ],
    ids=["text", "beyond int32", "fraction"],
)
def test_parquet_of_wrong_values(tmp_path, values, shown):
    file = parquet(tmp_path, user_id=values)
    row = values.index(next(value for value in values if str(value) == shown)) + 1
    message = f"{file.path}, row {row}, column user_id: '{shown}' {INTEGER}{CORRECT}"
    with pytest.raises(InputError, match=exactly(message)):
        read(file)


@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        (lambda _: b"\0\1\2", "File too small to be a Parquet file"),
        (lambda content: content[:-30], "No magic bytes found at end of file"),
    ],
    ids=["no parquet", "cut off"],
)
def test_parquet_that_is_none(tmp_path, damage, detail):
    file = parquet(tmp_path)
    file.path.write_bytes(damage(file.path.read_bytes()))
    message = f"{file.path}: not a readable Parquet file ({detail})\n       Write or fetch it again."
    with pytest.raises(InputError, match=exactly(message)):
        read(file)


def test_parquet_with_a_damaged_page(tmp_path):
    file = parquet(tmp_path)
    content = bytearray(file.path.read_bytes())
    content[10:60] = b"\xff" * 50
    file.path.write_bytes(content)
    with pytest.raises(InputError, match=r"log\.parquet: not a readable Parquet file \("):
        read(file)


def test_an_error_that_is_not_the_files_is_not_explained(tmp_path):
    file = log(tmp_path, lines(GOOD))
    assert file.explain(duckdb.OutOfMemoryException("Out of Memory Error: CSV Error on Line: 3")) is None
    assert file.explain(duckdb.BinderException("Binder Error: no such column")) is None
    assert parquet(tmp_path).explain(duckdb.OutOfMemoryException("Out of Memory Error")) is None


def test_file_state_tells_change_apart(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a", encoding="utf-8")
    before = file_state(path)
    assert file_state(path) == before
    path.write_text("ab", encoding="utf-8")
    assert file_state(path) != before


def test_table_of_the_work_folder(tmp_path, connection):
    path = tmp_path / "it's a table.parquet"
    pl.DataFrame({"item_id": [3]}).write_parquet(path)
    Parquet(path).register(connection, "items")
    assert connection.execute("from items").fetchall() == [(3,)]


def test_a_file_that_is_not_there_is_a_table_of_its_columns_without_rows(connection):
    kinds = {"video_id": "INTEGER", "feat": "INTEGER[]", "seen": "DOUBLE", 'a "name"': "VARCHAR"}
    absent = AbsentFile(kinds)
    absent.register(connection, "extra")
    assert connection.execute("from extra").fetchall() == []
    described = connection.execute("describe extra").fetchall()
    assert {name: kind for name, kind, *_ in described} == kinds
    joined = "select count(*), count(feat) from (select 1 as video_id) left join extra using (video_id)"
    assert connection.execute(joined).fetchall() == [(1, 0)]


def test_a_file_that_appears_is_a_change(tmp_path):
    file = log(tmp_path, lines(GOOD))
    absent = AbsentFile(file.columns)
    assert absent.state() == AbsentFile(file.columns).state() != file.state()


def test_a_file_that_appears_takes_the_place_of_the_absent_one(tmp_path, connection):
    file = log(tmp_path, lines(GOOD))
    AbsentFile(file.columns).register(connection, "log")
    file.register(connection, "log")
    assert connection.execute("from log").fetchall() == [READ]
