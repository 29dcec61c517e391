"""`kraft.settings`: defaults, rules, and what a preset decides."""

import os
import re
from typing import get_args

import pytest
from pydantic import ValidationError

from kraft import columns
from kraft.settings import MIB, FeatureGroup, Settings, usable_cores
from kraft.stages.preset import als_settings, ranker_settings


def test_documented_defaults():
    settings = Settings(preset="documented")
    assert settings.memory_limit == 1024 * MIB
    assert (settings.positive_threshold, settings.train_fraction, settings.null_timestamps) == (1.0, 0.8, "last")
    als = als_settings(settings)
    assert (als.factors, als.regularization, als.iterations, als.seed, als.store_zeros) == (64, 0.01, 20, 42, True)
    ranker = ranker_settings(settings)
    assert (ranker.rounds, ranker.early_stopping, ranker.learning_rate, ranker.num_leaves) == (1000, 50, 0.05, 31)
    assert (ranker.max_bin, ranker.feature_fraction, ranker.lambda_l1, ranker.lambda_l2) == (128, 0.8, 0.1, 0.1)
    assert ranker.validation_fraction == 0.2


def test_what_is_set_comes_before_the_preset():
    settings = Settings(preset="documented", factors=8, store_zeros=False, rounds=5)
    als = als_settings(settings)
    assert (als.factors, als.store_zeros, als.iterations) == (8, False, 20)
    assert ranker_settings(settings).rounds == 5


def test_a_ranking_objective_is_validated_by_auc():
    assert ranker_settings(Settings()).metric == ("binary_logloss", "auc")
    assert ranker_settings(Settings(objective="lambdarank")).metric == ("auc",)


def test_feature_groups_are_those_of_the_columns():
    assert set(get_args(FeatureGroup)) == {columns.WATCH_TIME, columns.WATCH_RATIO, *columns.PAIR_FEATURE_GROUPS}


def test_threads_are_the_cores_this_process_may_use():
    assert Settings().threads == usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("text", "size"), [("512MiB", 512 * MIB), ("2GiB", 2048 * MIB), ("1GB", 10**9), (7, 7)])
def test_sizes(text, size):
    assert Settings(memory_limit=text).memory_limit == size


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"threads": 0}, "greater than or equal to 1"),
        ({"train_fraction": 0}, "greater than 0"),
        ({"train_fraction": 1}, "less than 1"),
        ({"positive_threshold": float("nan")}, "finite number"),
        ({"positive_threshold": -1}, "greater than or equal to 0"),
        ({"null_timestamps": "first"}, "'last' or 'drop'"),
        ({"factors": 0}, "greater than or equal to 1"),
        ({"rounds": 0}, "greater than or equal to 1"),
        ({"memory_limit": "12x"}, "could not interpret byte unit"),
        ({"preset": "none"}, "Input should be 'kraft' or 'documented'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_rules(values, rule):
    with pytest.raises(ValidationError, match=re.escape(rule)):
        Settings(**values)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().threads = 3


@pytest.mark.parametrize(("flags", "verbosity"), [({}, 0), ({"quiet": True}, -1), ({"verbose": True}, 1)])
def test_verbosity(flags, verbosity):
    assert Settings(**flags).verbosity == verbosity


def test_settings_cross_as_json():
    settings = Settings(raw="a", memory_limit="512MiB")
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_every_setting_is_explained():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
