"""Numbers as people read them."""

import doctest

import pytest

from kraft import formatting


def test_examples_hold():
    assert doctest.testmod(formatting).failed == 0


@pytest.mark.parametrize(
    ("value", "sign", "digits", "text"),
    [(0.12345, "", 4, "0.1235"), (-0.00001, "+", 3, "+0.000"), (None, "", 4, "undefined"), (1.0, "+", 2, "+1.00")],
)
def test_a_metric_is_rounded_and_never_minus_nothing(value, sign, digits, text):
    assert formatting.figure(value, sign, digits) == text


def test_an_interval_is_there_only_where_there_is_one():
    assert formatting.told({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert formatting.interval({"value": 0.5, "low": -0.25, "high": 0.75}, "+", 2) == "[-0.25, +0.75]"


def test_a_share_of_nothing_is_undefined():
    assert formatting.share(0, 0) is None
    assert formatting.percent(formatting.share(1, 3)) == "33.3%"


def test_days_and_minutes_are_those_of_china():
    # 23:59:59 UTC is the next morning there.
    assert formatting.minute(86399) == "1970-01-02 07:59"
    assert str(formatting.day_of(59)) == "1970-03-01"
