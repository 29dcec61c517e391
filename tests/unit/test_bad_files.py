"""Every way in which a raw file can be bad: the one message it is refused with, and the rows that can be quarantined.

Each case harms one of the small raw files, which are whole otherwise. With --on-bad-rows fail the build is refused with
that very message, and nothing is published. With quarantine, rows that are bad by themselves stand in `rejected_rows`
with their line, column, value and reason, all others are in the tables; a file that is bad as a whole is refused with
the same message.
"""

import csv
import io
from typing import NamedTuple

import duckdb
import polars as pl
import pytest
from matching import exactly
from small_log import log_rows, run_build, write_raw

from kraft.engine.sql.builder import Builder
from kraft.engine.workspace.store import Store
from kraft.errors import InputError

pytestmark = pytest.mark.slow

TABLES = ["user_features", "video_metadata", "item_daily", "friends", "video_details", "interactions", "split"]
LOG, USERS, VIDEOS = "small_matrix", "user_features", "item_categories"
DAILY, FRIENDS, CAPTIONS = "item_daily_features", "social_network", "kuairec_caption_category"
OPTIONAL = {
    DAILY: "video_id,date,author_id,video_type,upload_dt,upload_type,show_cnt,play_cnt,like_cnt\n"
    + "".join(f"{video},20200705,9,NORMAL,2020-07-01,LongImport,4,3,2\n" for video in range(10, 17)),
    FRIENDS: "user_id,friend_list\n" + "".join(f"{user},[{user + 1}]\n" for user in range(5)),
    CAPTIONS: "video_id,caption,topic_tag,first_level_category_id,second_level_category_id,third_level_category_id\n"
    + "".join(f"{video},text {video},[],8.0,-124.0,\n" for video in range(10, 17)),
}
OR_QUARANTINE = "or use --on-bad-rows quarantine. Nothing was written."
ROW, ROWS = f"Correct the row, {OR_QUARANTINE}", f"Correct these rows, {OR_QUARANTINE}"
JUST_ROW, JUST_ROWS = "Correct the row. Nothing was written.", "Correct these rows. Nothing was written."
COLUMNS, UTF8 = "Give a file with KuaiRec's columns.", "Save the file as UTF-8."
AGAIN = "Write or fetch it again."
INTEGER = "an integer (from -2,147,483,648 to 2,147,483,647)"
LARGE = "an integer (from -9,007,199,254,740,991 to 9,007,199,254,740,991)"
WHOLE = None
"""In place of rows: the file as a whole is bad."""


class Case(NamedTuple):
    """One way to be bad."""

    file: str
    harm: object
    """Text of the file -> text or bytes of the bad one."""
    problem: str
    """What is said behind the path of the file."""
    remedy: str
    rows: object = WHOLE
    """[(line, column, value, reason)] that can be quarantined."""


def put(column, value, *lines):
    """Write ``value`` into a column, by default on line 4."""

    def harm(text):
        rows = list(csv.reader(io.StringIO(text)))
        for line in lines or (4,):
            rows[line - 1][rows[0].index(column)] = value
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        return out.getvalue()

    return harm


def line(number, change):
    """Let ``change`` make another one of a line."""

    def harm(text):
        lines = text.split("\n")
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return harm


def typed(file, column, value, kind, words=None):
    """A value of line 4 that is not of its column's type."""
    shown = value[:200]
    return Case(
        file,
        put(column, value),
        f", line 4, column {column}: '{value[:60]}' is not {kind}",
        ROW,
        [(4, column, shown, f"{column} must be {words or kind}")],
    )


def timed(column, value, words, rule):
    """A time as text in line 4 of the log, not in the first row."""
    case = typed(LOG, column, value, rule)
    return case._replace(problem=f", line 4, column {column}: '{value}' is a time as text, and it must be {words}")


def ranged(changes, rule, value):
    """A log whose line 4 breaks a rule over its values; (user 2, video 12) stands there."""
    row = {
        "user_id": "2",
        "video_id": "12",
        "play_duration": "5000",
        "video_duration": "10000",
        "timestamp": "1593880103.5",
        "watch_ratio": "0.5",
    }

    def harm(text):
        for column, text_of in changes.items():
            text = put(column, text_of)(text)
        return text

    shown = ", ".join(f"{name} {_read(name, changes.get(name, value_))}" for name, value_ in row.items())
    column = rule.partition(" ")[0]
    return Case(LOG, harm, f": {rule} (first: {shown})", ROWS, [(4, column, value, rule)])


def _read(name, text):
    """As Python shows what DuckDB read."""
    if not text:
        return None
    return float(text) if name in {"timestamp", "watch_ratio"} else int(float(text))


def key(file, column, text_of, shown, value, rule="must be an integer from 0 on"):
    return Case(file, put(column, text_of), shown, JUST_ROWS, [(4, column, value, f"{column} {rule}")])


RATIO = "watch_ratio must be play_duration / video_duration"
TIME = "timestamp must be unix seconds from 1970 to 2100"
MILLISECONDS = f"{TIME}, and looks like milliseconds"
RANGE = "watch_ratio must be a number from 0 to 1e9"
ID = "must be an integer from 0 to 2,147,483,647"
FEAT = "feat must be a list of category ids, integers of at most 9 digits, for example [27, 9]"
LIST = "friend_list must be a list of user ids, for example [27, 9]"
NO_ID = "ids must be integers from 0 on"


def listed(file, column, value, shown, rule, name):
    return Case(
        file, put(column, value), f": {rule} (first: {name}, {column} {shown})", ROWS, [(4, column, shown, rule)]
    )


CASES = {
    # --- the file as a whole
    "empty": Case(LOG, lambda _: "", ": the file is empty", COLUMNS),
    "header only": Case(
        LOG,
        lambda text: text.split("\n")[0] + "\n",
        ": the file must hold at least 5 interactions (first: found 0)",
        JUST_ROWS,
    ),
    "no header": Case(
        LOG,
        lambda text: text.partition("\n")[2],
        ": column user_id is missing (found: 0, 10, 12000, 10000, , 20200705.0, 1593878903.5, 1.2)",
        COLUMNS,
    ),
    "empty first line": Case(
        LOG, lambda text: "\n" + text, ": line 1 is empty where the header should be", COLUMNS
    ),
    "semicolons": Case(
        LOG,
        lambda text: text.replace(",", ";"),
        ": column user_id is missing (found: user_id;video_id;play_duration;video_duration;time;date;timestamp;"
        "watch_ratio)",
        COLUMNS,
    ),
    "tabs": Case(
        USERS,
        lambda text: text.split("\n")[0].split(",")[0] + "\tuser_active_degree\n1\tfull_active\n",
        ": column user_id is missing (found: user_id\tuser_active_degree)",
        COLUMNS,
    ),
    "column missing": Case(
        VIDEOS, lambda text: text.replace("feat", "tags"), ": column feat is missing (found: video_id, tags)", COLUMNS
    ),
    "column twice": Case(
        VIDEOS,
        lambda text: text.replace("video_id,feat", "video_id,feat,feat").replace('"\n', '",[1]\n'),
        ", line 1: column feat occurs twice",
        COLUMNS,
    ),
    "column in capitals": Case(
        LOG,
        lambda text: text.replace("user_id", "USER_ID"),
        ": column user_id is missing (found: USER_ID, video_id, play_duration, video_duration, time, date, timestamp,"
        " watch_ratio)",
        COLUMNS,
    ),
    "UTF-16": Case(LOG, lambda text: text.encode("utf-16"), ", line 1: not UTF-8 text", UTF8),
    "header in latin-1": Case(
        LOG, lambda text: text.replace("time,", "t\u00fcme,", 1).encode("latin-1"), ", line 1: not UTF-8 text", UTF8
    ),
    "zipped": Case(
        LOG,
        lambda _: b"PK\x03\x04" + b"\xff\x00" * 60,
        ": it is a zip file, not CSV text",
        "Unpack it: unzip -p {path} > {folder}/small_matrix-unpacked.csv",
    ),
    "optional file without a column": Case(
        FRIENDS,
        lambda text: text.replace("friend_list", "friends"),
        ": column friend_list is missing (found: user_id, friends)",
        COLUMNS,
    ),
    # --- rows
    "text for an id": typed(LOG, "user_id", "abc", INTEGER),
    "fraction for an id": typed(LOG, "video_id", "12.5", INTEGER),
    "id beyond int32": typed(LOG, "user_id", "2147483648", INTEGER),
    "id far beyond": typed(LOG, "user_id", "1e30", INTEGER),
    "id in hexadecimal": typed(LOG, "user_id", "0x10", INTEGER),
    "blanks for an id": typed(LOG, "user_id", "  ", INTEGER),
    "digits that are not ASCII": typed(LOG, "user_id", "\uff11\uff12", INTEGER),
    "NULL in words": typed(LOG, "user_id", "NULL", INTEGER),
    "nan for a duration": typed(LOG, "play_duration", "nan", INTEGER),
    "inf for a duration": typed(LOG, "video_duration", "inf", INTEGER),
    "duration with a unit": typed(LOG, "play_duration", "5000 ms", INTEGER),
    "date with dashes": timed("date", "2020-07-05", "a day as the number yyyymmdd", INTEGER),
    "time in words": timed("timestamp", "2020-07-05 00:08:23", "unix seconds", "a number"),
    "decimal comma": typed(LOG, "watch_ratio", "0,5", "a number"),
    "percent sign": typed(LOG, "watch_ratio", "50%", "a number"),
    "quotes and semicolons": typed(LOG, "user_id", "1'; drop table interactions; --", INTEGER),
    "a very long value": typed(LOG, "user_id", "9" * 50 + "x" * 400, INTEGER),
    "text in a code of users": typed(USERS, "onehot_feat3", "x", "a number"),
    "text in a number of users": typed(USERS, "register_days", "many", INTEGER),
    "author beyond a double": typed(DAILY, "author_id", "9007199254740993", LARGE),
    "text in a daily count": typed(DAILY, "show_cnt", "few", "a number"),
    "text for a day": typed(DAILY, "date", "monday", INTEGER),
    "text for a friend's id": typed(FRIENDS, "user_id", "me", INTEGER),
    "text for a category": typed(CAPTIONS, "first_level_category_id", "sports", LARGE),
    "too few fields": Case(
        LOG,
        line(4, lambda _: "1,2,3"),
        ", line 4: 3 fields where the header has 8",
        ROW,
        [(4, None, "1,2,3", "3 fields where the header has 8")],
    ),
    "too many fields": Case(
        LOG,
        line(4, lambda old: old + ",9"),
        ", line 4: 9 fields where the header has 8",
        ROW,
        [(4, None, "2,12,5000,10000,,20200705.0,1593880103.5,0.5,9", "9 fields where the header has 8")],
    ),
    "cut in mid-row": Case(
        LOG,
        lambda text: text[:-7],
        ", line 61: 5 fields where the header has 8",
        ROW,
        [(61, None, "5,13,5000,10000,", "5 fields where the header has 8")],
    ),
    "quote that is not closed": Case(
        LOG,
        line(4, lambda old: old.replace(",,", ',"2020,')),
        ", line 4: not a valid CSV row (Value with unterminated quote found)",
        ROW,
        [(4, None, '2,12,5000,10000,"2020,20200705.0,1593880103.5,0.5', "not a valid CSV row (a quote is not closed)")],
    ),
    "text beside a quote": Case(
        LOG,
        line(4, lambda old: old.replace(",,", ',"2020"x,')),
        ", line 4: not a valid CSV row (Value with unterminated quote found)",
        ROW,
        [(4, None, '2,12,5000,10000,"2020"x,20200705.0,1593880103.5,0.5', "not a valid CSV row (text beside a quote)")],
    ),
    "category text in latin-1": Case(
        USERS,
        lambda text: put("user_active_degree", "m\u00fcde")(text).encode("latin-1"),
        ", line 4: not UTF-8 text",
        UTF8,
        [(4, None, None, "not UTF-8 text")],
    ),
    "one line with CR LF": Case(
        LOG,
        line(4, lambda old: old + "\r"),
        ": its lines end in different ways (CR LF and LF)",
        "Write them all alike.",
    ),
    "carriage return in a row": Case(
        LOG,
        line(4, lambda old: old.replace(",,", ",a\rb,")),
        ": its lines end in different ways (CR LF and LF)",
        "Write them all alike.",
        [(4, None, "2,12,5000,10000,a\rb,20200705.0,1593880103.5,0.5", "a carriage return in the middle of the row")],
    ),
    "caption row too short": Case(
        CAPTIONS,
        line(4, lambda _: "12,text"),
        ", line 4: 2 fields where the header has 6",
        JUST_ROW,
        [(4, None, "12,text", "2 fields where the header has 6")],
    ),
    # --- values of the log
    "id missing": ranged({"user_id": ""}, f"user_id {ID}", None),
    "id negative": ranged({"user_id": "-1"}, f"user_id {ID}", "-1"),
    "video negative": ranged({"video_id": "-7"}, f"video_id {ID}", "-7"),
    "duration negative": ranged({"play_duration": "-1"}, "play_duration must be 0 ms or more", "-1"),
    "duration missing": ranged({"play_duration": ""}, "play_duration must be 0 ms or more", None),
    "video without length": ranged({"video_duration": "0"}, "video_duration must be more than 0 ms", "0"),
    "ratio missing": ranged({"watch_ratio": ""}, RANGE, None),
    "ratio nan": ranged({"watch_ratio": "nan"}, RANGE, "nan"),
    "ratio inf": ranged({"watch_ratio": "inf"}, RANGE, "inf"),
    "ratio negative": ranged({"watch_ratio": "-0.5"}, RANGE, "-0.5"),
    "ratio in percent": ranged({"watch_ratio": "50"}, RATIO, "50.0"),
    "ratio of other durations": ranged({"watch_ratio": "0.53"}, RATIO, "0.53"),
    "durations of two units": ranged({"play_duration": "5"}, RATIO, "0.5"),
    "time in milliseconds": ranged({"timestamp": "1593880103500"}, MILLISECONDS, "1593880103500.0"),
    "time in microseconds": ranged({"timestamp": "1593880103500000"}, TIME, "1593880103500000.0"),
    "time in the future": ranged({"timestamp": "4102444800"}, TIME, "4102444800.0"),
    "time before 1970": ranged({"timestamp": "-1"}, TIME, "-1.0"),
    "time nan": ranged({"timestamp": "nan"}, TIME, "nan"),
    # --- values of the other files
    "user twice": key(
        USERS, "user_id", "1", ": user_id must be an integer from 0 on, once a user (first: user_id 1, found 2)", "1",
        "stands in an earlier row already",
    ),
    "user negative": key(
        USERS, "user_id", "-2", ": user_id must be an integer from 0 on, once a user (first: user_id -2, found 1)", "-2"
    ),
    "user missing": key(
        USERS, "user_id", "", ": user_id must be an integer from 0 on, once a user (first: user_id None, found 1)", None
    ),
    "video twice": key(
        VIDEOS, "video_id", "11", ": video_id must be an integer from 0 on, once a video (first: video_id 11, found 2)",
        "11", "stands in an earlier row already",
    ),
    "friend's id negative": key(FRIENDS, "user_id", "-1", f", column user_id: {NO_ID} (least -1, missing 0)", "-1"),
    "day without a video": key(DAILY, "video_id", "", f", column video_id: {NO_ID} (least 10, missing 1)", None),
    "categories that are no list": listed(VIDEOS, "feat", "8", "8", FEAT, "video_id 12"),
    "categories of words": listed(VIDEOS, "feat", "[sports]", "[sports]", FEAT, "video_id 12"),
    "list that is not closed": listed(VIDEOS, "feat", "[8, 9", "[8, 9", FEAT, "video_id 12"),
    "category beyond int32": listed(VIDEOS, "feat", "[99999999999]", "[99999999999]", FEAT, "video_id 12"),
    "category of ten digits": listed(VIDEOS, "feat", "[7, 1000000007]", "[7, 1000000007]", FEAT, "video_id 12"),
    "categories with points": listed(VIDEOS, "feat", "[9.0, 19.0]", "[9.0, 19.0]", FEAT, "video_id 12"),
    "friends that are no list": listed(FRIENDS, "friend_list", "4;5", "4;5", LIST, "user_id 2"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    raw = write_raw(tmp_path / "raw", log_rows())
    for stem, text in OPTIONAL.items():
        (raw / f"{stem}.csv").write_text(text, encoding="utf-8")
    return raw


def harmed(raw, case):
    path = raw / f"{case.file}.csv"
    bad = case.harm(path.read_text(encoding="utf-8"))
    assert bad != path.read_text(encoding="utf-8")
    path.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    return path


def quarantined_of(made):
    """Quarantined rows by file."""
    return {file: found["quarantined"] for file, found in made["rejected"].items()}


def refused(raw, work, path, case, **settings):
    remedy = case.remedy.format(path=path, folder=path.parent)
    with pytest.raises(InputError, match=exactly(f"{path}{case.problem}\n       {remedy}")):
        run_build(raw, work, tables=TABLES, **settings)
    # Headers are looked at before there is a work folder.
    for name in ("tables", "tmp"):
        assert not (work / name).exists() or list((work / name).iterdir()) == []
    assert case.file != LOG or "interactions" not in Store(work).manifest()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_file(folder, tmp_path, case):
    work = tmp_path / "work"
    path = harmed(folder, case)
    refused(folder, work, path, case)
    if case.rows is WHOLE:
        refused(folder, work, path, case, on_bad_rows="quarantine")
        return
    read = sum(1 for row in path.read_bytes().split(b"\n") if row.strip()) - 1
    made = run_build(folder, work, tables=TABLES, on_bad_rows="quarantine")
    assert quarantined_of(made) == ({path.name: len(case.rows)} if case.rows else {})
    if case.rows:
        found = duckdb.sql(f"from '{work}/tables/rejected_rows.parquet'").fetchall()
        expected = [(path.name, *row) for row in case.rows]
        assert [row if expected[0][3] is not None else (*row[:3], row[3] and None, row[4]) for row in found] == expected
    if case.file == LOG:
        assert made["interactions"] + made["duplicates"] + len(case.rows) == read
    # Without the option, these tables are not taken for those of the whole file.
    with pytest.raises(InputError, match=exactly(f"{path}{case.problem}\n       {case.remedy}")):
        run_build(folder, work, tables=TABLES)
    # With it, they are, and the count is told again.
    again = run_build(folder, work, tables=TABLES, on_bad_rows="quarantine")
    assert (again["built"], again["rejected"]) == ({}, made["rejected"])


def test_there_are_enough_cases():
    assert len(CASES) >= 60


GOOD = {
    "bom": lambda text: "\ufeff" + text,
    "CR LF": lambda text: text.replace("\n", "\r\n"),
    "CR alone": lambda text: text.replace("\n", "\r"),
    "quoted": lambda text: text.replace(",10000,", ',"10000",'),
    "quoted newline": lambda text: text.replace(",10000,,", ',10000,"a\nb",'),
    "extra columns": lambda text: "\n".join(one and one + ",x" for one in text.split("\n")),
    "column order": lambda text: "\n".join(",".join(reversed(one.split(","))) for one in text.split("\n")),
    "empty lines": lambda text: text.replace("\n", "\n\n"),
    "floats for integers": lambda text: text.replace(",10000,", ",10000.0,"),
    "blanks around numbers": lambda text: text.replace(",10000,", ", 10000 ,"),
    "comma at the end": lambda text: text.replace("\n", ",\n").replace(",\n", "\n", 1),
    "quoted newline and comma at the end": lambda text: (
        text.replace("\n", ",\n").replace(",\n", "\n", 1).replace(",10000,,", ',10000,"a\nb",')
    ),
    "no last line end": lambda text: text.removesuffix("\n"),
    "rounded ratio": lambda text: text.replace("1.2\n", "1.204\n"),
}


@pytest.mark.parametrize("form", GOOD.values(), ids=GOOD)
def test_good_file_in_another_form_beside_a_bad_row(folder, tmp_path, form):
    """DuckDB's reading of good rows and the one that quarantines bad rows are the same."""
    log = folder / "small_matrix.csv"
    whole = form(log.read_text(encoding="utf-8"))
    log.write_text(whole, encoding="utf-8", newline="")
    assert run_build(folder, tmp_path / "good", tables=["interactions", "split"])["interactions"] == 60
    end = "\r\n" if "\r\n" in whole else whole[-1] if whole[-1] in "\r\n" else "\n"
    bad = whole.removesuffix(end) + end + "x" + end
    log.write_text(bad, encoding="utf-8", newline="")
    made = run_build(folder, tmp_path / "quarantined", tables=["interactions", "split"], on_bad_rows="quarantine")
    assert quarantined_of(made) == {"small_matrix.csv": 1}
    left, right = (
        pl.read_parquet(tmp_path / name / "tables" / "interactions.parquet") for name in ("good", "quarantined")
    )
    assert left.equals(right)
    assert left.schema == right.schema


def test_parquet_rows_are_quarantined_by_their_number(folder, tmp_path):
    rows = [{**row._asdict(), "user_id": str(row.user_id)} for row in log_rows()]
    rows[7]["user_id"], rows[9]["watch_ratio"] = "abc", float("nan")
    (folder / "small_matrix.csv").unlink()
    pl.DataFrame(rows).write_parquet(folder / "small_matrix.parquet")
    with pytest.raises(InputError, match=r"small_matrix\.parquet, row 8, column user_id: 'abc' is not an integer"):
        run_build(folder, tmp_path / "work", tables=["interactions", "split"])
    made = run_build(folder, tmp_path / "work", tables=["interactions", "split"], on_bad_rows="quarantine")
    assert (made["interactions"], quarantined_of(made)) == (58, {"small_matrix.parquet": 2})
    found = duckdb.sql(f"from '{tmp_path}/work/tables/rejected_rows.parquet'").fetchall()
    assert found == [
        ("small_matrix.parquet", 8, "user_id", "abc", f"user_id must be {INTEGER}"),
        ("small_matrix.parquet", 10, "watch_ratio", "nan", RANGE),
    ]


def test_parquet_file_whose_places_lead_behind_its_end_is_the_files_fault(folder, tmp_path):
    (folder / "small_matrix.csv").unlink()
    file = folder / "small_matrix.parquet"
    pl.DataFrame(log_rows()).write_parquet(file)
    whole = file.read_bytes()
    behind = 0
    # The head of the first page, with its sizes.
    for at in range(10, 20):
        file.write_bytes(whole[:at] + b"\1" + whole[at + 1 :])
        try:
            run_build(folder, tmp_path / "work", tables=["interactions", "split"], force=True)
        except InputError as error:
            behind += "Could not read enough bytes" in error.problem
    assert behind > 0


def test_parquet_file_with_a_column_name_that_is_no_text(folder, tmp_path):
    (folder / "small_matrix.csv").unlink()
    file = folder / "small_matrix.parquet"
    pl.DataFrame(log_rows()).write_parquet(file)
    file.write_bytes(file.read_bytes().replace(b"play_duration", b"play_\xffuration"))
    with pytest.raises(InputError, match=r"small_matrix\.parquet: a column's name is not UTF-8 text\n"):
        run_build(folder, tmp_path / "work", tables=["interactions", "split"])


def test_field_over_two_lines_that_is_not_utf8(folder, tmp_path):
    log = folder / "small_matrix.csv"
    text = put("date", "\n\xff20200705.0")(log.read_text(encoding="utf-8"))
    log.write_bytes(text.encode("latin-1"))
    shown = r"line 4, column date: '\\n\ufffd20200705\.0' is not an integer"
    with pytest.raises(InputError, match=shown):
        run_build(folder, tmp_path / "work", tables=["interactions", "split"])
    made = run_build(folder, tmp_path / "work", tables=["interactions", "split"], on_bad_rows="quarantine")
    assert (made["interactions"], quarantined_of(made)) == (59, {"small_matrix.csv": 1})
    found = duckdb.sql(f"select line, reason from '{tmp_path}/work/tables/rejected_rows.parquet'").fetchall()
    assert found == [(4, "not UTF-8 text")]


def test_corrected_file_takes_the_table_of_bad_rows_away(folder, tmp_path):
    log = folder / "small_matrix.csv"
    whole = log.read_text(encoding="utf-8")
    log.write_text(put("user_id", "abc")(whole), encoding="utf-8")
    run_build(folder, tmp_path / "work", tables=TABLES, on_bad_rows="quarantine")
    assert (tmp_path / "work" / "tables" / "rejected_rows.parquet").exists()
    log.write_text(whole, encoding="utf-8")
    made = run_build(folder, tmp_path / "work", tables=TABLES, on_bad_rows="quarantine")
    assert (made["interactions"], quarantined_of(made)) == (60, {})
    assert not (tmp_path / "work" / "tables" / "rejected_rows.parquet").exists()


def test_option_changes_nothing_about_a_whole_file(folder, tmp_path):
    first = run_build(folder, tmp_path / "work", tables=TABLES)
    assert set(first["built"]) == set(TABLES)
    assert run_build(folder, tmp_path / "work", tables=TABLES, on_bad_rows="quarantine")["built"] == {}


def test_too_few_rows_are_left(folder, tmp_path):
    log = folder / "small_matrix.csv"
    log.write_text(put("user_id", "abc", *range(2, 60))(log.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=r"must hold at least 5 interactions \(first: found 2\)"):
        run_build(folder, tmp_path / "work", tables=TABLES, on_bad_rows="quarantine")


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_file_that_changes_while_it_is_read(folder, tmp_path, monkeypatch, harm):
    log = folder / "small_matrix.csv"
    real = Builder._check  # noqa: SLF001 - a moment between reading and publishing

    def check(self, query, checks, written):
        if query.name == "interactions":
            if harm == "change":
                log.write_text(log.read_text(encoding="utf-8") + "1,2,3", encoding="utf-8")
            else:
                log.unlink()
        real(self, query, checks, written)

    monkeypatch.setattr(Builder, "_check", check)
    word = {"change": "changed", "remove": "vanished"}[harm]
    message = (
        f"{log}: it {word} while it was read\n"
        "       Wait until it is written to its end, and run the job again. Nothing was written."
    )
    with pytest.raises(InputError, match=exactly(message)):
        run_build(folder, tmp_path / "work", tables=TABLES)
    assert Store(tmp_path / "work").entry("interactions") is None
