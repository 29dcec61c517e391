"""`kraft.engine.budget`: the shares of the limit, and what was used."""

import pytest
from matching import exactly

from kraft.engine.budget import LEAST_LIMIT, Budget, mib, peak_bytes
from kraft.errors import InputError
from kraft.settings import MIB


def test_duckdb_gets_half():
    assert Budget(1024 * MIB).duckdb == 512 * MIB


def test_least_limit_is_accepted():
    assert Budget(LEAST_LIMIT).limit == LEAST_LIMIT


def test_less_is_refused():
    message = "--memory-limit 383 MiB is less than the libraries and one batch need\n       Give at least 384 MiB."
    with pytest.raises(InputError, match=exactly(message)):
        Budget(383 * MIB)


def test_peak_grows_with_what_is_held():
    before = peak_bytes()
    block = b"x" * (before + 64 * MIB)
    assert len(block) < peak_bytes() < len(block) + before + 64 * MIB


@pytest.mark.parametrize(("size", "shown"), [(0, "0 MiB"), (512 * MIB, "512 MiB"), (2048 * MIB, "2,048 MiB")])
def test_sizes_as_people_read_them(size, shown):
    assert mib(size) == shown
