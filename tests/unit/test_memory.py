"""`kraft.engine.process.memory`: the shares of the limit, and what was used."""

import pytest
from matching import exactly

from kraft.engine.process.memory import LEAST_LIMIT, Budget, mib, peak_bytes
from kraft.errors import InputError
from kraft.settings import MIB


def test_duckdb_gets_five_eighths_or_leaves_what_stands_beside_it():
    assert Budget(1024 * MIB).duckdb == 640 * MIB
    assert Budget(LEAST_LIMIT).duckdb == 144 * MIB


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


@pytest.mark.parametrize("features", [1, 42, 157, 1_000])
def test_a_larger_limit_has_room_for_more_rows_and_the_documented_ranker_fits_one_gibibyte(features):
    rows = [Budget(limit * MIB).training_rows(features) for limit in (2_048, 4_096, 8_192)]
    assert rows == sorted(set(rows))
    # All rows of small_matrix's train period, 157 features: the documented pipeline.
    assert Budget(1024 * MIB).training_rows(157) > 3_741_174


def test_no_room_to_train_says_what_would_do():
    with pytest.raises(InputError) as refused:
        Budget(1024 * MIB).training_rows(2_077)
    assert refused.value.problem == "--memory-limit 1,024 MiB has no room to train a ranker on 2,077 features"
    least = int(refused.value.remedy.split(" MiB")[0].split()[-1].replace(",", ""))
    assert Budget(least * MIB).training_rows(2_077) >= 10_000
    with pytest.raises(InputError, match="has no room to train"):
        Budget((least - 1) * MIB).training_rows(2_077)
