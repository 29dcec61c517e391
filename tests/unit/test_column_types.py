"""`kraft.engine.sql.column_types`: a Parquet column of the wrong type is told as such, not as bad rows."""

import datetime as dt
import uuid
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matching import exactly
from small_log import log_rows, log_text, run_build, write_raw

from kraft.errors import InputError

pytestmark = pytest.mark.slow

INTEGER = "an integer"
DAY, MOMENT = dt.date(2020, 7, 5), dt.datetime(2020, 7, 5, 4, 25, 39, tzinfo=dt.UTC)
TABLES = ["user_features", "video_metadata", "friends", "interactions", "split"]
WRITE = "Write the column as"

WRONG = {
    "a time": ("timestamp", pl.lit(MOMENT.replace(tzinfo=None)), "TIMESTAMP", "unix seconds", "epoch(timestamp)"),
    "a time in a zone": ("timestamp", pl.lit(MOMENT), "TIMESTAMP WITH TIME ZONE", "unix seconds", "epoch(timestamp)"),
    "a day for a time": ("timestamp", pl.lit(DAY), "DATE", "unix seconds", "epoch(timestamp)"),
    "a day": ("date", pl.lit(DAY), "DATE", "a day as the number yyyymmdd", "cast(strftime(date, '%Y%m%d') as integer)"),
    "a time for a length": ("play_duration", pl.lit(dt.time(0, 0, 5)), "TIME_NS", "milliseconds", "epoch(cast("),
    "a day for an id": ("user_id", pl.lit(DAY), "DATE", INTEGER, f"{WRITE} {INTEGER}."),
    "a list": ("user_id", pl.concat_list("user_id"), "BIGINT[]", INTEGER, "Write one value a row."),
    "bytes": ("video_id", pl.lit(b"12"), "BLOB", INTEGER, "Write it as text; DuckDB's decode(video_id) makes UTF-8"),
    "a struct": ("watch_ratio", pl.struct("watch_ratio"), "STRUCT(watch_ratio DOUBLE)", "a number", WRITE),
}  # fmt: skip


def log_with(raw, column, values):
    """The log as Parquet, one of its columns replaced."""
    (raw / "small_matrix.csv").unlink()
    path = raw / "small_matrix.parquet"
    pl.DataFrame(log_rows()).with_columns(values.alias(column)).write_parquet(path)
    return path


def told(raw, work, **settings):
    with pytest.raises(InputError) as refused:
        run_build(raw, work, tables=TABLES, **settings)
    return refused.value


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
@pytest.mark.parametrize(("column", "values", "kind", "words", "remedy"), WRONG.values(), ids=WRONG)
def test_type_that_never_fits(raw, tmp_path, column, values, kind, words, remedy, on_bad_rows):
    path = log_with(raw, column, values)
    error = told(raw, tmp_path / "work", on_bad_rows=on_bad_rows)
    assert error.problem == f"{path}, column {column}: its type is {kind}, and it must be {words}"
    assert remedy in error.remedy
    assert "quarantine" not in error.remedy
    assert error.remedy.endswith(" Nothing was written.")


@pytest.mark.parametrize("case", ["a time", "a time in a zone", "a day"])
def test_remedy_does_what_it_says(raw, tmp_path, case, monkeypatch):
    monkeypatch.chdir(tmp_path)
    column, values, *_ = WRONG[case]
    path = log_with(raw, column, values)
    remedy = told(raw, tmp_path / "work").remedy
    duckdb.sql(remedy.partition("in DuckDB: ")[2].removesuffix(". Nothing was written."))
    (tmp_path / "new.parquet").replace(path)
    assert run_build(raw, tmp_path / "work", tables=TABLES)["interactions"] > 1
    value = pl.read_parquet(path)[column][0]
    assert value == (20200705 if column == "date" else MOMENT.timestamp())


def test_long_type_is_shortened(raw, tmp_path):
    log_with(raw, "watch_ratio", pl.struct(pl.all()))
    shown = "STRUCT(user_id BIGINT, video_id BIGINT, play_duration BIG..."
    assert f"its type is {shown}, and" in told(raw, tmp_path).problem


OTHERS = {
    "text of a structure": ("item_categories", "feat", pa.array([{"a": 1}]), "STRUCT(a BIGINT)"),
    "categories that are one number": ("item_categories", "feat", pa.array([9]), "BIGINT"),
    "friends that are one number": ("social_network", "friend_list", pa.array([9]), "BIGINT"),
    "list of times": ("item_categories", "feat", pa.array([[MOMENT.replace(tzinfo=None)]]), "TIMESTAMP[]"),
    "friends as bytes": ("social_network", "friend_list", pa.array([b"[1]"]), "BLOB"),
    "id that is a UUID": ("item_categories", "video_id", pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "UUID"),
}


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
@pytest.mark.parametrize(("stem", "column", "values", "kind"), OTHERS.values(), ids=OTHERS)
def test_type_that_never_fits_in_another_file(raw, tmp_path, stem, column, values, kind, on_bad_rows):
    key = "user_id" if stem == "social_network" else "video_id"
    (raw / f"{stem}.csv").unlink(missing_ok=True)
    other = "friend_list" if stem == "social_network" else "feat"
    path = raw / f"{stem}.parquet"
    pq.write_table(pa.table({key: pa.array([1]), other: pa.array(["[1]"])} | {column: values}), path)
    problem = told(raw, tmp_path / "work", on_bad_rows=on_bad_rows).problem
    assert problem.startswith(f"{path}, column {column}: its type is {kind}, and it must be ")


FITTING = {
    "small integers": ("user_id", pl.col("user_id").cast(pl.UInt8)),
    "floats": ("user_id", pl.col("user_id").cast(pl.Float32)),
    "decimals": ("watch_ratio", pl.col("watch_ratio").cast(pl.Decimal(9, 3))),
    "numbers as texts": ("play_duration", pl.col("play_duration").cast(pl.String)),
    "categories": ("video_id", pl.col("video_id").cast(pl.String).cast(pl.Categorical)),
    "nothing": ("date", pl.lit(None)),
}


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
@pytest.mark.parametrize(("column", "values"), FITTING.values(), ids=FITTING)
def test_types_that_fit_give_the_same_rows(raw, tmp_path, column, values, on_bad_rows):
    run_build(raw, tmp_path / "text", tables=TABLES)
    log_with(raw, column, values)
    run_build(raw, tmp_path / "typed", tables=TABLES, on_bad_rows=on_bad_rows)
    text, typed = (pl.read_parquet(tmp_path / name / "tables" / "interactions.parquet") for name in ("text", "typed"))
    assert typed.drop("date").equals(text.drop("date"))


LISTS = {
    "int64": pa.list_(pa.int64()),
    "int32": pa.list_(pa.int32()),
    "double": pa.list_(pa.float64()),
    "float": pa.list_(pa.float32()),
    "decimal": pa.list_(pa.decimal128(5, 2)),
    "text": pa.list_(pa.string()),
    "two of them": pa.list_(pa.float64(), 2),
}


def feats(raw, kind, values):
    (raw / "item_categories.csv").unlink()
    convert = {pa.string(): str, pa.decimal128(5, 2): Decimal}.get(kind.value_type, lambda one: one)
    made = [one if one is None else [convert(category) for category in one] for one in values]
    path = raw / "item_categories.parquet"
    pq.write_table(pa.table({"video_id": range(10, 10 + len(made)), "feat": pa.array(made, kind)}), path)
    return path


@pytest.mark.parametrize("on_bad_rows", ["fail", "quarantine"])
@pytest.mark.parametrize("kind", LISTS.values(), ids=LISTS)
def test_lists_of_whole_numbers_are_read_whatever_their_type(raw, tmp_path, kind, on_bad_rows):
    feats(raw, kind, [[9, 19], [19, 9], None, [7, 7]])
    if on_bad_rows == "quarantine":
        # Another file is read row by row, too, by the same texts.
        log = raw / "small_matrix.csv"
        log.write_text(log_text(log_rows()) + "x\n", encoding="utf-8")
    run_build(raw, tmp_path / "work", tables=TABLES, on_bad_rows=on_bad_rows)
    read = pl.read_parquet(tmp_path / "work" / "tables" / "video_metadata.parquet")
    assert read["feat"].to_list() == [[9, 19], [19, 9], None, [7, 7]]
    assert read["num_categories"].to_list() == [2, 2, 0, 2]


@pytest.mark.parametrize("category", [1.5, 1e10, -1.0, float("nan"), float("inf"), 1e300])
def test_list_of_other_numbers_is_told_with_the_rule(raw, tmp_path, category):
    path = feats(raw, pa.list_(pa.float64()), [[9, 19], [9, category]])
    rule = "feat must be a list of category ids, integers of at most 9 digits, for example [27, 9]"
    with pytest.raises(InputError, match=exactly(f"{path}: {rule} (first: video_id 11, feat [9")[:-1]):
        run_build(raw, tmp_path / "work", tables=TABLES)
    made = run_build(raw, tmp_path / "quarantined", tables=TABLES, on_bad_rows="quarantine")
    found = made["rejected"]["item_categories.parquet"]
    assert (found["quarantined"], found["read"], found["often"], found["reason"]) == (1, 2, 1, rule)
    features = pl.read_parquet(tmp_path / "quarantined" / "tables" / "video_metadata.parquet")["feat"]
    assert features.to_list() == [[9, 19]]


def test_truth_values_are_numbers_also_beside_a_row_that_is_quarantined(raw, tmp_path):
    """As texts, true and false were no numbers: every row would have been quarantined."""
    users = pl.read_csv(raw / "user_features.csv").with_columns(pl.col("is_video_author").cast(pl.Boolean))
    (raw / "user_features.csv").unlink()
    users.write_parquet(raw / "user_features.parquet")
    run_build(raw, tmp_path / "work", tables=TABLES)
    twice = pl.concat([users, users[:1]])
    twice.write_parquet(raw / "user_features.parquet")
    made = run_build(raw, tmp_path / "quarantined", tables=TABLES, on_bad_rows="quarantine")
    (found,) = made["rejected"].values()
    assert (found["quarantined"], found["read"], found["often"]) == (1, users.height + 1, 1)
    assert list(made["rejected"]) == ["user_features.parquet"]
    first, second = (
        pl.read_parquet(tmp_path / name / "tables" / "user_features.parquet") for name in ("work", "quarantined")
    )
    assert first.equals(second)


# --- times as text ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("timestamp", "2020-07-05 04:25:39.967", "unix seconds"),
        ("timestamp", "2020-07-05T04:25:39+08:00", "unix seconds"),
        ("timestamp", "05/07/2020 04:25", "unix seconds"),
        ("date", "2020-07-05", "a day as the number yyyymmdd"),
    ],
)
def test_column_of_times_as_text(tmp_path, form, column, value, words):
    raw = write_raw(tmp_path / "raw", log_rows())
    log = pl.read_csv(raw / "small_matrix.csv").with_columns(pl.lit(value).alias(column))
    (raw / "small_matrix.csv").unlink()
    path = raw / f"small_matrix.{form}"
    log.write_csv(path) if form == "csv" else log.write_parquet(path)
    place = "line 2" if form == "csv" else "row 1"
    message = (
        f"{path}, {place}, column {column}: '{value}' is a time as text, and it must be {words}\n"
        f"       Write the column as {words}. Nothing was written."
    )
    with pytest.raises(InputError, match=exactly(message)):
        run_build(raw, tmp_path / "work", tables=TABLES)
