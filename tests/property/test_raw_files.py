"""A handful of the raw files that `python -m tests.faults fuzz` makes up and holds against a plain reading."""

import pytest
from faults import fuzz
from faults.handed import COLUMNS, HandedBench, Made

from kraft.engine.quarantine import csv_records
from kraft.engine.sql.given import GivenFile

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path):
    with fuzz.session(tmp_path) as connection:
        yield fuzz.Bench(tmp_path, connection)


@pytest.fixture
def handed(tmp_path):
    with fuzz.session(tmp_path) as connection:
        yield HandedBench(tmp_path, connection)


def test_csv_files_give_the_rows_of_a_plain_reading_or_one_clear_error(bench):
    fuzz.csv_inputs(bench, 100, 5)
    assert min(bench.counts.values()) > 0
    assert bench.counts["rows quarantined"] > 10


def test_parquet_files_give_the_rows_of_a_plain_reading_or_one_clear_error(bench):
    fuzz.parquet_inputs(bench, 40, 5)
    assert bench.counts["rows quarantined"] > 0


def test_files_that_options_name_give_the_rows_of_a_plain_reading_or_one_clear_error(handed):
    fuzz.given_csv(handed, 80, 5)
    fuzz.given_parquet(handed, 40, 5)
    outcomes = {f"{kind}: {outcome}" for kind in COLUMNS for outcome in ("refused", "read whole")}
    assert outcomes <= set(handed.counts)


def test_a_given_file_that_loses_a_row_is_found(handed, monkeypatch):
    real = GivenFile._copy  # noqa: SLF001 - what a defect would be in

    def copy(file, connection, target, names, sort_by, where="where user_id <> 3"):
        real(file, connection, target, names, sort_by, where)

    monkeypatch.setattr(GivenFile, "_copy", copy)
    with pytest.raises(AssertionError):
        handed.check(Made("pairs", b"user_id,item_id\n1,2\n3,4\n"))


def test_a_reading_that_loses_a_row_is_found(bench, monkeypatch):
    real = csv_records._parse  # noqa: SLF001 - what a defect would be in

    def parse(text):
        fields, reason = real(text)
        return (fields and ["9" if one == "abc" else one for one in fields]), reason

    monkeypatch.setattr(csv_records, "_parse", parse)
    header = ",".join(fuzz.HEADERS["log"])
    rows = "".join(f"{user},1,5000,10000,,,,0.5\n" for user in ("1", "2", "3", "4", "5", "abc"))
    with pytest.raises(AssertionError, match="nothing was quarantined"):
        bench.check_csv("log", f"{header}\n{rows}".encode())
