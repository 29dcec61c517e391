"""The chronological split against a plain-Python sort, for any log; tables that do not depend on the rows' order."""

import random
from collections import Counter

import duckdb
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_log import Row, log_rows, run_build, write_raw

from kraft.engine.sql.queries import all_queries
from kraft.logs.contracts import INTERACTION_COLUMNS

CHAIN = ("interactions", "split", "interactions_train", "user_index", "interactions_test")
# Few values of each, so that ties, repeats and exact copies are common.
MOMENTS = (None, 0.0, 3599.999, 3600.0, 3600.001, 1593878903.438, 1593878903.5)
ROWS = st.builds(
    Row,
    user_id=st.integers(0, 3),
    video_id=st.integers(0, 3),
    play_duration=st.sampled_from([0, 1, 2_147_483_647]),
    video_duration=st.sampled_from([1, 9]),
    date=st.sampled_from([None, 20200704, 20200705]),
    timestamp=st.sampled_from(MOMENTS),
    watch_ratio=st.sampled_from([0.0, 0.1, 1.0, 1.0000000000000002]),
)
LOGS = st.lists(ROWS, min_size=1, max_size=40)
FRACTIONS = st.sampled_from([1e-9, 0.1, 1 / 3, 0.5, 0.7, 0.8, 0.9, 1 - 2**-53]) | st.floats(0.01, 0.99)


@pytest.fixture(scope="module")
def duck():
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


def run_chain(connection, rows, train_fraction, null_timestamps):
    """The tables of the split over ``rows``; name -> list of rows as dicts."""
    values = {
        "positive_threshold": 1.0,
        "train_fraction": train_fraction,
        "test_from": 0.0,
        "null_timestamps": null_timestamps,
    }
    columns = ", ".join(f"{name} {kind}" for name, kind in INTERACTION_COLUMNS.items())
    connection.execute(f"create or replace table raw_interactions ({columns})")
    named = [tuple(getattr(row, name) for name in INTERACTION_COLUMNS) for row in rows]
    connection.executemany(f"insert into raw_interactions values ({', '.join('?' * len(named[0]))})", named)
    tables = {}
    for name in CHAIN:
        query = all_queries()[name]
        connection.execute(
            f"create or replace table {name} as {query.text}", {part: values[part] for part in query.parameters}
        )
        result = connection.execute(f"from {name}")
        names = [column[0] for column in result.description]
        tables[name] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return tables


def missing_last(value):
    return (value is None, value or 0)


def chronological(rows):
    """The rows without exact copies, in the documented order."""
    return sorted(
        set(rows),
        key=lambda row: (
            missing_last(row.timestamp),
            row.user_id,
            row.video_id,
            row.play_duration,
            row.video_duration,
            row.watch_ratio,
            missing_last(row.date),
        ),
    )


def as_row(record):
    return Row(**{("video_id" if name == "item_id" else name): record[name] for name in (*KEPT, "item_id")})


KEPT = ("user_id", "play_duration", "video_duration", "date", "timestamp", "watch_ratio")


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=LOGS, train_fraction=FRACTIONS, null_timestamps=st.sampled_from(["last", "drop"]))
def test_split_is_the_sorted_log_cut_in_two(duck, rows, train_fraction, null_timestamps):
    tables = run_chain(duck, rows, train_fraction, null_timestamps)

    expected = chronological(rows)
    assert [as_row(record) for record in tables["interactions"]] == expected
    if null_timestamps == "drop":
        expected = [row for row in expected if row.timestamp is not None]
    cut = int(train_fraction * len(expected))
    train, test = expected[:cut], expected[cut:]

    assert [as_row(record) for record in tables["interactions_train"]] == train
    known = {row.user_id for row in train}
    pairs = Counter((row.user_id, row.video_id) for row in test if row.user_id in known)
    positive = {(row.user_id, row.video_id) for row in test if row.watch_ratio >= 1.0}
    first: dict[tuple[int, int], float | None] = {}
    for row in test:
        # Chronological, those without a time last.
        first.setdefault((row.user_id, row.video_id), row.timestamp)
    assert [tuple(record.values()) for record in tables["interactions_test"]] == [
        (*pair, count, pair in positive, first[pair]) for pair, count in sorted(pairs.items())
    ]
    if cut:
        (split,) = tables["split"]
        null_timestamps = sum(row.timestamp is None for row in expected)
        assert (split["n"], split["cut_index"], split["null_timestamps"]) == (len(expected), cut, null_timestamps)
        assert split["cut_timestamp"] == train[-1].timestamp
    else:
        assert tables["split"] == []


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=LOGS)
def test_exact_copies_are_counted_and_repeats_kept(duck, rows):
    records = run_chain(duck, rows, 0.5, "last")["interactions"]
    assert {as_row(record): record["copies"] for record in records} == Counter(rows)


@pytest.mark.parametrize("shuffle", [1, 2])
def test_shuffled_input_gives_the_same_bytes(tmp_path, shuffle):
    rows = log_rows(300)
    rows += rows[::50]
    mixed = random.Random(shuffle).sample(rows, len(rows))
    works = {}
    for name, log in (("sorted", rows), ("mixed", mixed)):
        works[name] = tmp_path / name / "work"
        assert run_build(write_raw(tmp_path / name, log), works[name])["duplicates"] == 6
    files = {name: {path.name: path.read_bytes() for path in (works[name] / "tables").iterdir()} for name in works}
    assert len(files["sorted"]) == 17
    assert files["sorted"] == files["mixed"]
