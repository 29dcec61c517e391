"""How many examples a property test tries: what it asks for in the full run, no more than a few in the quick one."""

from hypothesis import settings


def examples(most):
    """``most``, or as many as the profile that was chosen allows (`tests/conftest.py`)."""
    return min(most, settings().max_examples)
