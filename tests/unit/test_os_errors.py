"""`kraft.engine.process.os_errors`: what the machine does to a job, in words; and what is no fault of the machine's."""

import errno
import os

import duckdb
import lightgbm
import polars as pl
import pytest

from kraft.engine.process.os_errors import explained
from kraft.errors import InputError, MachineError

SPACE = "Free some disk space, or give a --work folder on a larger disk. Nothing was published."

FULL = "no space left on device"
TOLD = {
    "Python": (OSError(errno.ENOSPC, "No space left on device", "a.npy"), f"a.npy: {FULL}"),
    "NumPy": (OSError("12345 requested and 400 written"), FULL),
    "Arrow": (OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left"), FULL),
    "Polars": (pl.exceptions.ComputeError("No space left on device (os error 28)"), FULL),
    "DuckDB": (duckdb.IOException('IO Error: {"exception_message":"Could not write","errno":"28"}'), FULL),
    "DuckDB's log": (duckdb.TransactionException("Could not write file: No space left on device"), FULL),
    "LightGBM": (lightgbm.basic.LightGBMError("Cannot write: No space left on device"), FULL),
}


@pytest.mark.parametrize(("error", "problem"), TOLD.values(), ids=TOLD)
def test_a_full_disk_is_told_alike_whoever_meets_it(error, problem):
    told = explained(error)
    assert isinstance(told, MachineError)
    assert (told.problem, told.remedy) == (problem, SPACE)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EXDEV, errno.EMFILE, errno.ENOENT])
def test_other_faults_have_remedies_of_their_own(number):
    told = explained(OSError(number, "?", "file"))
    assert told.problem == f"file: {os.strerror(number)[0].lower()}{os.strerror(number)[1:]}"
    assert told.remedy
    assert told.remedy != SPACE or number == errno.EDQUOT


def test_no_memory():
    assert explained(MemoryError()).problem == "the system has no memory to give"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("28"),
        ZeroDivisionError(),
        OSError("odd"),
        duckdb.BinderException("no such column"),
        KeyError("errno 28"),
    ],
)
def test_a_defect_stays_one(error):
    assert explained(error) is None


def test_an_error_of_krafts_own_stays_what_it_is():
    error = InputError("a.csv: no")
    assert explained(error) is error
