"""Every way in which a description of a log, or a file that it names, can be wrong: the one message it gets.

`{}` stands for the folder. Each case changes some fields of a description that is right, or the files beside it.
"""

import gzip
import json

import polars as pl
import pytest
from described_log import LOG, THINGS, describe, read, write_log
from matching import exactly

from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.logs.described.description import load
from kraft.logs.described.sources import USER_COLUMNS

TOML = "{}/log.toml: [interactions]"
SQL = "Give a SQL expression over the file's columns."
CORRECT = "Correct the expression."
HAS = "it has who, what, moment, rating, secs, len"

FIELDS = {
    "a user that is no column": (
        {"interactions": {"user": "wo"}},
        f"{TOML} user = 'wo': the file has no column wo; did you mean who?",
        CORRECT,
    ),
    "a column that is like none": (
        {"interactions": {"item": "zzzzzz"}},
        f"{TOML} item = 'zzzzzz': the file has no column zzzzzz; {HAS}, watch_ratio",
        CORRECT,
    ),
    "a broken expression": (
        {"interactions": {"label": "rating >="}},
        f"{TOML} label = 'rating >=': syntax error at or near \">=\"",
        SQL,
    ),
    "two expressions": (
        {"interactions": {"label": "rating > 1, rating"}},
        f"{TOML} label = 'rating > 1, rating': more than one expression",
        SQL,
    ),
    "a second statement": (
        {"interactions": {"label": "rating > 1); drop table x; --"}},
        f"{TOML} label = 'rating > 1); drop table x; --': syntax error at or near \")\"",
        SQL,
    ),
    "a function that there is not": (
        {"interactions": {"time": "seconds(moment)"}},
        f"{TOML} time = 'seconds(moment)': scalar Function with name seconds does not exist",
        SQL,
    ),
    "an aggregate": (
        {"interactions": {"label": "max(rating) > 3"}},
        f"{TOML} label = 'max(rating) > 3': an aggregate has no value for each row",
        SQL,
    ),
    "a comparison of unlike types": (
        {"interactions": {"label": "rating = [1]"}},
        (
            "{}/log.csv: it cannot be read as the description says (Unimplemented type for cast (BIGINT -> INTEGER[]) "
            "when casting from source column rating)"
        ),
        "Correct it.",
    ),
    "a label that is a number": (
        {"interactions": {"label": "rating / 2"}},
        f"{TOML} label = 'rating / 2' is DOUBLE, and must be a condition, for example rating >= 4, or 0 and 1",
        CORRECT,
    ),
    "a label that is text": (
        {"interactions": {"label": "who"}},
        f"{TOML} label = 'who' is VARCHAR, and must be a condition, for example rating >= 4, or 0 and 1",
        CORRECT,
    ),
    "a label of other integers": (
        {"interactions": {"label": "rating"}},
        (
            "{}/log.csv, row 2: label must be true or false: for a missing one, write coalesce(..., false) "
            "(48 of 60 rows are bad)"
        ),
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "a label that is always true": (
        {"interactions": {"label": "rating >= 1"}},
        f"{TOML} label = 'rating >= 1' is always true in 60 rows",
        "Give a condition that tells positive interactions from others.",
    ),
    "a label that is never true": (
        {"interactions": {"label": "rating > 5"}},
        f"{TOML} label = 'rating > 5' is never true in 60 rows",
        "Give a condition that tells positive interactions from others.",
    ),
    "a label over a ratio that there is not": (
        {"interactions": {"label": "watch_ratio >= 1", "length": None}},
        f"{TOML} label = 'watch_ratio >= 1': the file has no column watch_ratio; {HAS}",
        CORRECT,
    ),
    "an id that is a fraction": (
        {"interactions": {"user": "rating / 2"}},
        f"{TOML} user = 'rating / 2' is DOUBLE, and must be integers or text: for example cast(... as bigint)",
        CORRECT,
    ),
    "an id that is a list": (
        {"interactions": {"item": "[what]"}},
        f"{TOML} item = '[what]' is BIGINT[], and must be integers or text: for example cast(... as bigint)",
        CORRECT,
    ),
    "a time in milliseconds": (
        {"interactions": {"time": "moment * 1000"}},
        (
            "{}/log.csv, row 1: time must be unix seconds from 1970 to 2100, and looks like milliseconds: divide it by "
            "1000 (60 of 60 rows are bad)"
        ),
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "a time before 1970": (
        {"interactions": {"time": "moment - 1600000001"}},
        "{}/log.csv, row 1: time must be unix seconds from 1970 to 2100 (1 of 60 rows are bad)",
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "a time that is other text": (
        {"interactions": {"time": "who"}},
        "{}/log.csv, row 1: time must be a time (60 of 60 rows are bad)",
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "a time that is a condition": (
        {"interactions": {"time": "moment > 3"}},
        f"{TOML} time = 'moment > 3' is BOOLEAN, and must be unix seconds, a TIMESTAMP, a DATE or ISO text",
        CORRECT,
    ),
    "a watch time that is text": (
        {"interactions": {"watch_time": "who"}},
        f"{TOML} watch_time = 'who' is VARCHAR, and must be milliseconds",
        CORRECT,
    ),
    "a watch time below 0": (
        {"interactions": {"watch_time": "secs - 1"}},
        "{}/log.csv, row 1: watch_time must be from 0 to 2,147,483,647 ms (7 of 60 rows are bad)",
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "a length that is a time": (
        {"interactions": {"length": "to_timestamp(moment)"}},
        f"{TOML} length = 'to_timestamp(moment)' is TIMESTAMP WITH TIME ZONE, and must be milliseconds",
        CORRECT,
    ),
    "a condition that is a number": (
        {"interactions": {"where": "rating"}},
        f"{TOML} where = 'rating' is BIGINT, and must be a condition",
        CORRECT,
    ),
    "a condition that leaves nothing": (
        {"interactions": {"where": "rating > 9"}},
        f"{TOML}: 0 rows are left, and at least 5 are needed",
        "Give a longer log, or another `where`.",
    ),
    "a file that is not there": (
        {"interactions": {"files": "logs.csv"}},
        f'{TOML} files = "logs.csv": no such file in {{}}, which has log.csv',
        "Correct the name, or --raw.",
    ),
    "a pattern without a file": (
        {"interactions": {"files": "part-*.parquet"}},
        f'{TOML} files = "part-*.parquet": no such file in {{}}, which has log.csv, log.toml, people.csv',
        "Correct the name, or --raw.",
    ),
    "a file of another kind": (
        {"interactions": {"files": "log.toml"}},
        f'{TOML} files = "log.toml": log.toml is of no kind that is read',
        "Give .csv (.tsv, .txt, .dat), .json, .jsonl, each also as .gz or .zst, .parquet or .sql.",
    ),
    "no file": (
        {"interactions": {"files": []}},
        "{}/log.toml: [interactions] files = []: value should have at least 1 item after validation, not 0",
        "Correct the description.",
    ),
    "a field that is missing": (
        {"interactions": {"label": None}},
        "{}/log.toml: [interactions] label is missing",
        "Add it; README shows a description.",
    ),
    "a field that is not known": (
        {"interactions": {"lable": "rating > 3"}},
        "{}/log.toml: [interactions] lable is not known",
        (
            "Did you mean label? known are files, columns, separator, encoding, quote, where, user, item, time, label, "
            "watch_time, length."
        ),
    ),
    "an empty expression": (
        {"interactions": {"user": ""}},
        "{}/log.toml: [interactions] user = '': string should have at least 1 character",
        "Correct the description.",
    ),
    "an encoding that is not known": (
        {"interactions": {"encoding": "utf-16"}},
        "{}/log.toml: [interactions] encoding = 'utf-16': input should be 'utf-8' or 'latin-1'",
        "Correct the description.",
    ),
    "users without a key": (
        {"users": {"key": "nobody"}},
        "{}/log.toml: [users] key = 'nobody': the file has no column nobody; it has id, age, register_days",
        CORRECT,
    ),
    "an attribute without a feature": (
        {"users": {"attributes": ["age"]}},
        "{}/log.toml: [users] attributes: KRAFT has no feature age",
        f"Known are {', '.join(USER_COLUMNS)}.",
    ),
    "an attribute that the file lacks": (
        {"users": {"attributes": ["fans_user_num"]}},
        (
            "{}/log.toml: [users] attributes = 'fans_user_num': the file has no column fans_user_num; it has id, age, "
            "register_days"
        ),
        CORRECT,
    ),
    "a user twice": (
        {"users": {"key": "'u' || (register_days // 2)"}},
        "{}/log.toml: [users] key = \"'u' || (register_days // 2)\": u0 occurs in 2 rows of people.csv",
        "Leave one row for each id.",
    ),
    "a user without an id": (
        {"users": {"key": "nullif(id, 'u3')"}},
        "{}/people.csv, row 4: key must not be missing (1 of 7 rows are bad)",
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "an item twice": (
        {"items": {"key": "id // 2"}},
        "{}/log.toml: [items] key = 'id // 2': 0 occurs in 2 rows of things.csv",
        "Leave one row for each id.",
    ),
    "an upload that is a number": (
        {"items": {"uploaded": "id"}},
        "{}/things.csv, row 1: uploaded must be a day (5 of 5 rows are bad)",
        "Correct the rows or the description, or use --on-bad-rows quarantine. Nothing was written.",
    ),
    "categories that are no column": (
        {"items": {"categories": "genre"}},
        "{}/log.toml: [items] categories = 'genre': the file has no column genre; did you mean genres?",
        CORRECT,
    ),
    "a file of users that is not there": (
        {"users": {"files": "persons.csv"}},
        '{}/log.toml: [users] files = "persons.csv": no such file in {}, which has people.csv',
        "Correct the name, or --raw.",
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_wrong_field_gets_its_message(case, tmp_path):
    changes, problem, remedy = FIELDS[case]
    folder = write_log(tmp_path / "data")
    with pytest.raises(InputError) as caught:
        read(describe(folder, changes), tmp_path / "work")
    assert "\n" not in caught.value.problem
    assert caught.value.problem == problem.replace("{}", str(folder))
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[interactions", "{}: not a TOML file (Expected ']' at the end of a table declaration (at end of document))"),
        ("", "{}: [interactions] is missing"),
        ("[interaction]\nfiles = 'a'", "{}: [interactions] is missing"),
        ("interactions = 3", "{}: [interactions] = 3: input should be a valid dictionary or instance of Interactions"),
    ],
)
def test_a_file_that_is_no_description_is_refused(text, problem, tmp_path):
    path = tmp_path / "log.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.problem == problem.replace("{}", str(path))


def test_a_name_that_is_nearly_built_in_gets_a_hint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        read("kuairnd", tmp_path / "work")
    assert caught.value.problem == "--log kuairnd: no such file"
    assert caught.value.remedy == "Did you mean kuairand? Give a TOML file, or one of kuairec, kuairand, movielens."


def parts(work, imported):
    store = Store(work).inner("log")
    return [pl.read_parquet(store.table(name)) for name in imported.interactions]


@pytest.fixture
def folder(tmp_path):
    return write_log(tmp_path / "data")


def test_rows_get_the_columns_that_the_tables_are_made_of(folder, tmp_path):
    (rows,) = parts(tmp_path / "work", read(describe(folder), tmp_path / "work"))
    first = rows.row(3, named=True)
    assert first == {
        "user_key": "u3",
        "item_key": "3",
        "timestamp": 1_600_000_150.0,
        "label": True,
        "play_duration": 3000,
        "video_duration": 13_000,
        "watch_ratio": 3 / 13,
        "date": 20200913,
        "rule": None,
    }


def test_a_file_is_read_once_and_another_alone_is_read_anew(folder, tmp_path):
    header, *rows = LOG.splitlines()
    for name, some in (("part-1.csv", rows[:30]), ("part-2.csv", rows[30:])):
        (folder / name).write_text("\n".join([header, *some]) + "\n", encoding="utf-8")
    description, work = describe(folder, {"interactions": {"files": "part-*.csv"}}), tmp_path / "work"

    def times():
        return [Store(work).inner("log").table(name).stat().st_mtime_ns for name in imported.interactions]

    imported = read(description, work)
    before = times()
    imported = read(description, work)
    assert times() == before
    (folder / "part-2.csv").write_text("\n".join([header, *rows[30:50]]) + "\n", encoding="utf-8")
    imported = read(description, work)
    first, second = times()
    assert (first, imported.rows) == (before[0], (30, 20))
    assert second > before[1]
    (folder / "part-1.csv").unlink()
    imported = read(description, work)
    assert set(Store(work).inner("log").manifest()) == {*imported.interactions, *imported.users, *imported.items}


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "jsonl", "tsv", "folder", "sql"])
def test_every_kind_of_file_gives_the_same_rows(kind, folder, tmp_path):
    header, *rows = [line.split(",") for line in LOG.splitlines()]
    table = pl.DataFrame(dict(zip(header, zip(*rows, strict=True), strict=True))).with_columns(
        pl.col("what", "moment", "rating", "secs", "len").cast(pl.Int64)
    )
    path = folder / f"other.{kind}"
    changes = {"files": path.name}
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(LOG.encode()))
    elif kind == "parquet":
        table.write_parquet(path)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in table.to_dicts()), encoding="utf-8")
    elif kind == "tsv":
        path.write_text(LOG.replace(",", "\t") + "\n", encoding="utf-8")
    elif kind == "folder":
        for number in (1, 2):
            inside = folder / "hive" / f"half={number}"
            inside.mkdir(parents=True)
            table[30 * number - 30 : 30 * number].write_parquet(inside / "rows.parquet")
        changes = {"files": "hive", "where": "half > 0"}
    else:
        path.write_text(f"select * from read_csv('{folder}/log.csv') where rating > 0;", encoding="utf-8")
    usual = parts(tmp_path / "usual", read(describe(folder), tmp_path / "usual"))
    other = parts(tmp_path / "other", read(describe(folder, {"interactions": changes}), tmp_path / "other"))
    assert pl.concat(other).sort("timestamp").equals(pl.concat(usual).sort("timestamp"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2022-05-01", 1_651_363_200.0),
        ("2022-05-01 10:00:00", 1_651_399_200.0),
        ("2022-05-01T10:00:00+08:00", 1_651_370_400.0),
        ("1651363200.5", 1_651_363_200.5),
    ],
)
def test_times_may_be_written_in_many_ways(written, expected, folder, tmp_path):
    header, *rows = LOG.splitlines()
    fields = [row.split(",") for row in rows]
    lines = [header, *(",".join([*row[:2], written, *row[3:]]) for row in fields)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (read_rows,) = parts(tmp_path / "work", read(describe(folder), tmp_path / "work"))
    assert set(read_rows["timestamp"]) == {expected}


def test_an_id_stays_as_it_is_written(folder, tmp_path):
    (folder / "log.csv").write_text(LOG.replace("\nu1,", "\n007,").replace("\nu2,", "\n7,") + "\n", encoding="utf-8")
    (rows,) = parts(tmp_path / "work", read(describe(folder, {"users": {"attributes": []}}), tmp_path / "work"))
    assert {"007", "7"} < set(rows["user_key"])


def test_bad_rows_may_be_quarantined_and_are_counted(folder, tmp_path):
    (folder / "log.csv").write_text(LOG.replace("\nu1,", "\n,") + "\n", encoding="utf-8")
    description = describe(folder)
    allowed = {"on_bad_rows": "quarantine", "max_bad_rows": 0.2}
    imported = read(description, tmp_path / "work", **allowed)
    assert imported.rejected == {
        "log.csv": {
            "quarantined": 9,
            "read": 60,
            "reason": "user must not be missing",
            "often": 9,
            "example": "row 2",
        }
    }
    with pytest.raises(InputError, match=exactly(f"{folder}/log.csv: 9 of 60 rows (15.0%) would be quarantined")[:-1]):
        read(description, tmp_path / "work", on_bad_rows="quarantine")


def test_titles_and_categories_may_be_in_latin_1_between_odd_separators(folder, tmp_path):
    lines = [line.replace(",", "::").replace("N1", "Amélie") for line in THINGS.splitlines()[1:]]
    (folder / "things.dat").write_bytes(("\n".join(lines) + "\n").encode("latin-1"))
    changes = {
        "files": "things.dat",
        "columns": ["id", "genres", "made", "name"],
        "separator": "::",
        "encoding": "latin-1",
        "quote": "",
    }
    work = tmp_path / "work"
    imported = read(describe(folder, {"items": changes}), work)
    items = pl.read_parquet(Store(work).inner("log").table(imported.items[0]))
    assert items["title"].to_list() == ["N0", "Amélie", "N2", "N3", "N4"]
    assert items["categories"].to_list() == [["Comedy", "Drama"]] * 5
