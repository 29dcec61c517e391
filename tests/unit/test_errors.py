"""`kraft.errors`: what is printed, and the exit codes that scripts rely on."""

import pytest

from kraft import errors

CODES = {"KraftError": 1, "InputError": 2, "DownloadError": 1, "MachineError": 1, "QueryError": 1}


def test_problem_and_remedy():
    error = errors.InputError("a.csv, line 3: no", "Correct it.")
    assert str(error) == "a.csv, line 3: no\n       Correct it."
    assert (error.problem, error.remedy) == ("a.csv, line 3: no", "Correct it.")


def test_no_remedy():
    assert str(errors.MachineError("no space")) == "no space"


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes(name, code):
    kind = getattr(errors, name)
    assert kind.exit_code == code
    assert issubclass(kind, errors.KraftError)
