"""`kraft.models.positives`: where nothing can be learned, the threshold is named, and what to make of it."""

import pytest
from matching import exactly
from small_log import run_build

from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.models.positives import LabelsError, naming_threshold
from kraft.pipeline.pipeline import Pipeline
from kraft.settings import Settings

OR_MORE = ", or give a log with more interactions."
CASES = {
    "above every ratio": (5, 48, 0, "0.00%", "Lower --positive-threshold to 1.2 or less."),
    "at the least ratio": (0.5, 48, 48, "100.00%", "Raise --positive-threshold above 0.5."),
    "too few positives": (1.2, 48, 2, "4.17%", f"Lower --positive-threshold{OR_MORE}"),
    "too few others": (1.2, 48, 47, "97.92%", f"Raise --positive-threshold{OR_MORE}"),
}


@pytest.mark.parametrize(("threshold", "rows", "positives", "share", "remedy"), CASES.values(), ids=CASES)
def test_threshold_is_named(raw, store, threshold, rows, positives, share, remedy):
    """The ratios of the log are 0.5 and 1.2."""
    run_build(raw, store.folder, tables=["interactions", "split"])
    settings = Settings(positive_threshold=threshold)
    message = (
        f"too few: positive is watch_ratio >= {threshold:g} (--positive-threshold), {share} of the rows; "
        f"the watch_ratio of the log is from 0.5 to 1.2\n       {remedy}"
    )
    with pytest.raises(InputError, match=exactly(message)) as told, naming_threshold(store, settings):
        raise LabelsError("too few", rows, positives)
    # As a stage's process hands it on, by the name of its class.
    assert type(told.value) is InputError


def test_no_rows_at_all(raw, store):
    run_build(raw, store.folder, tables=["interactions", "split"])
    with (
        pytest.raises(InputError, match=r"\(--positive-threshold\); the watch_ratio"),
        naming_threshold(store, Settings()),
    ):
        raise LabelsError("too few", 0, 0)


def test_ranker_without_positives_names_the_threshold(raw, tmp_path):
    settings = Settings(raw=raw, work=tmp_path / "work", threads=1, quiet=True, preset="documented", factors=4)
    run = Pipeline(settings.model_copy(update={"positive_threshold": 5}))
    with (
        pytest.raises(
            InputError, match=r"^48 train rows, 0 of them positive, are too few .*watch_ratio >= 5 \("
        ) as told,
        run,
    ):
        run.train()
    assert told.value.remedy == "Lower --positive-threshold to 1.2 or less."


def test_a_described_log_has_a_label_and_no_threshold(tmp_path):
    settings = Settings(log="mine.toml", work=tmp_path)
    told = "too few: positive is what mine.toml says is, 2.00% of the rows"
    with pytest.raises(InputError) as caught, naming_threshold(Store(tmp_path), settings):
        raise LabelsError("too few", 100, 2)
    assert caught.value.problem == told
    assert caught.value.remedy == "Change the label of the description, or give a log with more interactions."
