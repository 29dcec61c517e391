"""`kraft.pipeline`: what is made again, and what is left where a stage fails."""

import pytest

from kraft.errors import KraftError
from kraft.pipeline.pipeline import Pipeline
from kraft.settings import Settings
from kraft.stages.fit_als import fit_als


def pipeline(raw, work, **settings):
    return Pipeline(Settings(raw=raw, work=work, threads=1, quiet=True, preset="documented", factors=4, **settings))


def test_a_second_run_reuses_the_factors_and_another_setting_does_not(raw, tmp_path):
    with pipeline(raw, tmp_path / "work") as first:
        first.fit_als()
    with pipeline(raw, tmp_path / "work") as again:
        again.fit_als()
    assert "als_documented" in again.reused
    assert again.results.get(fit_als) is None
    with pipeline(raw, tmp_path / "work", iterations=3) as changed:
        changed.fit_als()
    assert changed.results.get(fit_als)


def test_factors_that_cannot_be_fitted_leave_the_tables_whole(raw, tmp_path):
    run = pipeline(raw, tmp_path / "work", positive_threshold=99, store_zeros=False)
    with pytest.raises(KraftError, match=r"none of [\d,]+ user-item pairs is positive") as told, run:
        run.fit_als()
    assert "positive is watch_ratio >= 99 (--positive-threshold)" in told.value.problem
    assert told.value.remedy == "Lower --positive-threshold to 1.2 or less."
    assert run.store.entry("ranker_test")
    assert run.store.entry("als_documented") is None


def test_a_build_that_breaks_stops_the_factors(raw, tmp_path):
    (raw / "item_categories.csv").write_text("video_id,feat\n1,[1]\n1,[2]\n")
    run = pipeline(raw, tmp_path / "work")
    with pytest.raises(KraftError, match="video_id must be an integer from 0 on, once a video"), run:
        run.fit_als()
    assert run.store.entry("als_documented") is None
    assert list(run.store.tmp.iterdir()) == []
