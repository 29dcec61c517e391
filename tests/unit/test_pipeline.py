"""`kraft.pipeline`: running two stages side by side changes nothing but the time."""

from pathlib import Path

import numpy as np
import pytest

from kraft.errors import KraftError
from kraft.pipeline import BUILD, JUDGE, ON_SPARK, ROOM_FOR_TWO, SCORE, Pipeline
from kraft.settings import MIB, Settings

ROOT = Path(__file__).parents[2]


class Recorded(Pipeline):
    """Knows in which order its stages were started."""

    def _open(self, stage, *arguments):
        self.__dict__.setdefault("started_stages", []).append(stage)
        return super()._open(stage, *arguments)


def pipeline(raw, work, **settings):
    return Recorded(Settings(raw=raw, work=work, threads=1, quiet=True, preset="seed", factors=4, **settings))


@pytest.mark.parametrize("stage", [*ON_SPARK, *ON_SPARK.values()])
def test_stages_of_either_engine_are_there(stage):
    module, function = stage.split(":")
    source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    assert f"\ndef {function}(" in source


def test_polars_reads_with_one_thread_in_a_stage_unless_the_user_says_otherwise(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.setenv("POLARS_ROW_GROUP_PREFETCH_SIZE", "7")
    with pipeline(raw, tmp_path / "work") as run:
        run.run("told", "stages:echo", variables=["POLARS_MAX_THREADS", "POLARS_ROW_GROUP_PREFETCH_SIZE"])
    assert run.results["told"]["environment"] == {"POLARS_MAX_THREADS": "1", "POLARS_ROW_GROUP_PREFETCH_SIZE": "7"}


def test_factors_are_the_same_with_and_without_room_for_two(raw, tmp_path):
    factors = []
    for name, limit in (("beside", ROOM_FOR_TWO), ("after", 512 * MIB)):
        with pipeline(raw, tmp_path / name, memory_limit=limit) as run:
            run.fit_als()
        assert run.results.keys() == {"build", "als_seed"}
        assert run.reused == []
        factors.append(np.load(tmp_path / name / "models" / "als_seed" / "item_factors.npy"))
    np.testing.assert_array_equal(*factors)


def test_a_second_run_reuses_the_factors_and_another_setting_does_not(raw, tmp_path):
    with pipeline(raw, tmp_path / "work") as first:
        first.fit_als()
    with pipeline(raw, tmp_path / "work") as again:
        again.fit_als()
    assert "als_seed" in again.reused
    assert again.results.keys() == {"build"}
    with pipeline(raw, tmp_path / "work", iterations=3) as changed:
        changed.fit_als()
    assert "als_seed" in changed.results


@pytest.mark.parametrize(
    ("limit", "first", "again"),
    [
        (ROOM_FOR_TWO, [JUDGE, SCORE, BUILD], [JUDGE, BUILD]),
        (512 * MIB, [BUILD, SCORE, JUDGE], [BUILD, JUDGE]),
    ],
)
def test_scoring_and_judging_load_ahead_once_a_ranker_is_there(raw, tmp_path, limit, first, again):
    settings = {"memory_limit": limit, "rounds": 2}
    with pipeline(raw, tmp_path / "work", **settings) as run:
        run.train()
    reports = []
    for expected in (first, again):
        with pipeline(raw, tmp_path / "work", **settings) as run:
            reports.append(run.evaluate(baselines=False)["report"])
        assert run.started_stages == expected
    assert reports[0] == reports[1]


def test_factors_that_cannot_be_fitted_leave_the_tables_whole(raw, tmp_path):
    """The build goes on to its end, and the error of the other stage is told."""
    run = pipeline(raw, tmp_path / "work", positive_threshold=99, store_zeros=False)
    with pytest.raises(KraftError, match=r"none of [\d,]+ user-item pairs is positive") as told, run:
        run.fit_als()
    assert "positive is watch_ratio >= 99 (--positive-threshold)" in told.value.problem
    assert told.value.remedy == "Lower --positive-threshold to 1.2 or less."
    assert run.store.entry("ranker_test")
    assert run.store.entry("als_seed") is None


def test_a_build_that_breaks_stops_the_factors(raw, tmp_path):
    (raw / "item_categories.csv").write_text("video_id,feat\n1,[1]\n1,[2]\n")
    run = pipeline(raw, tmp_path / "work")
    with pytest.raises(KraftError, match="video_id must be an integer from 0 on, once a video"), run:
        run.fit_als()
    assert run.store.entry("als_seed") is None
    assert list(run.store.tmp.iterdir()) == []
