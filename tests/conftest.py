"""Fixtures that more than one test module uses."""

import os

# Before any library starts its threads: what `kraft.engine.process.worker` gives the stages.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import pytest
from small_log import log_rows, write_raw

from kraft.engine.process.memory import LEAST_LIMIT, Budget
from kraft.engine.sql.session import open_session
from kraft.engine.workspace.store import Store

# No deadline: how long an example takes says more of what else the machine does than of the code.
# `--hypothesis-profile full`, which the gate gives, comes later and wins.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)
hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.load_profile("quick")

SLOW_FOLDERS = ("outofcore", "spark")
"""Rooms whose tests are all slow: they need large tables or a Java machine."""


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)
        if item.path.parent.name == "property":
            item.add_marker(pytest.mark.property)


@pytest.fixture
def raw(tmp_path):
    """A folder with a log of 60 rows and the side tables."""
    return write_raw(tmp_path / "raw", log_rows())


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "work")


@pytest.fixture
def connection(tmp_path):
    with open_session(Budget(LEAST_LIMIT), threads=1, spill_parent=tmp_path / "spill") as session:
        yield session
