"""`kraft.benchmark.engines`: what is made of the stages' figures."""

import pytest

from kraft.benchmark.engines import report


def told(seconds, auc):
    return {"build": {"seconds": seconds}, "evaluate": {"seconds": 1.0, "metrics": {"ndcg@10": 0.8, "auc": auc}}}


@pytest.mark.parametrize(("auc", "passed"), [(0.815, True), (0.789, False)])
def test_engines_are_held_together_and_the_overhead_is_named(auc, passed):
    figures = {
        "full": {"duckdb": told(10.0, 0.81), "spark": told(60.0, auc)},
        "small": {"duckdb": told(2.0, 0.7), "spark": told(40.0, 0.7)},
    }
    found = report(figures, {"master": "local[2]"})
    assert found.passed is passed
    assert found.headline == (
        "engines  duckdb 11.0 s, spark 61.0 s; Spark takes 41.0 s of a log of 100,000 rows: its overhead"
    )
    assert found.tables[0].rows[0] == ("build", 10.0, 60.0, 2.0, 40.0)
    assert found.as_json()["master"] == "local[2]"
