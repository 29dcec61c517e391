"""The sample of the label rows: how many, which, and that its weights restore the base rate."""

import random

import duckdb
import pytest

from kraft.engine.sql.queries import all_queries

pytestmark = pytest.mark.slow

ROWS = 20_000
SELECT = all_queries()["training_sample"].text


@pytest.fixture(scope="module", params=[0.1, 0.3, 0.8], ids=lambda share: f"{share:.0%} positive")
def labels(request):
    draw = random.Random(1)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            "create table label_pairs (user_id int, item_id int, positive_interaction bool, timestamp double)"
        )
        pairs = draw.sample([(user, item) for user in range(200) for item in range(400)], ROWS)
        rows = [(*pair, draw.random() < request.param, 1e6 + draw.randrange(100 * 3600)) for pair in pairs]
        connection.executemany("insert into label_pairs values (?, ?, ?, ?)", rows)
        yield connection


def sample(connection, most_rows):
    found = connection.execute(SELECT, {"most_rows": most_rows}).fetchall()
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert {row[:4] for row in found} <= set(connection.execute("from label_pairs").fetchall())
    return found


@pytest.mark.parametrize("most_rows", [500, 3_000, 12_000, 19_999, 20_000])
def test_it_has_the_rows_that_fit(labels, most_rows):
    found = sample(labels, most_rows)
    # Which rows are left out is drawn by their ids: as exact as a draw is.
    assert len(found) == pytest.approx(most_rows, rel=0.05)


@pytest.mark.parametrize("most_rows", [1_000, 8_000, 16_000])
def test_weights_restore_how_many_negatives_there_were(labels, most_rows):
    found = sample(labels, most_rows)
    assert {row[4] for row in found if row[2]} == {1.0}
    # Of the oldest hour only a part is there; all newer ones stand for themselves.
    oldest = min(row[3] // 3600 for row in found)
    for value in (True, False):
        weighed = sum(row[4] for row in found if row[2] == value and row[3] // 3600 > oldest)
        newer = "select count(*) from label_pairs where positive_interaction = ? and floor(timestamp / 3600) > ?"
        (count,) = labels.execute(newer, [value, oldest]).fetchone()
        assert weighed == pytest.approx(count, rel=0.1)


def test_every_newer_positive_is_there_and_half_of_the_negatives_at_least(labels):
    found = sample(labels, 6_000)
    oldest = min(row[3] // 3600 for row in found)
    kept = {row[:2] for row in found}
    newer = labels.execute(
        "select user_id, item_id, positive_interaction from label_pairs where floor(timestamp / 3600) > ?", [oldest]
    ).fetchall()
    assert {row[:2] for row in newer if row[2]} <= kept
    negatives = [row[:2] for row in newer if not row[2]]
    assert len(kept.intersection(negatives)) >= 0.45 * len(negatives)
    assert max(row[4] for row in found) <= 2.2
