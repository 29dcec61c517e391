"""A handful of the raw files that `python -m tests.faults fuzz` makes up and holds against a plain reading."""

import pytest
from faults import fuzz

from kraft.engine import rejects


@pytest.fixture
def bench(tmp_path):
    with fuzz.session(tmp_path) as connection:
        yield fuzz.Bench(tmp_path, connection)


def test_csv_files_give_the_rows_of_a_plain_reading_or_one_clear_error(bench):
    fuzz.csv_inputs(bench, 100, 5)
    assert min(bench.counts.values()) > 0
    assert bench.counts["rows set aside"] > 10


def test_parquet_files_give_the_rows_of_a_plain_reading_or_one_clear_error(bench):
    fuzz.parquet_inputs(bench, 40, 5)
    assert bench.counts["rows set aside"] > 0


def test_a_reading_that_loses_a_row_is_found(bench, monkeypatch):
    real = rejects._parse  # noqa: SLF001 - what a defect would be in

    def parse(text):
        fields, reason = real(text)
        return (fields and ["9" if one == "abc" else one for one in fields]), reason

    monkeypatch.setattr(rejects, "_parse", parse)
    header = ",".join(fuzz.HEADERS["log"])
    rows = "".join(f"{user},1,5000,10000,,,,0.5\n" for user in ("1", "2", "3", "4", "5", "abc"))
    with pytest.raises(AssertionError, match="nothing was set aside"):
        bench.check_csv("log", f"{header}\n{rows}".encode())
