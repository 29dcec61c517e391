"""Tests of `kraft.spark`; they run where the extra is installed and Java is there, and are skipped elsewhere."""

import importlib.util
import os
import shutil

import pytest

LACKING = (
    "the extra [spark] is not installed"
    if not all(map(importlib.util.find_spec, ("pyspark", "sqlglot")))
    else "Java is not installed"
    if shutil.which("java") is None
    else ""
)


class SkippedModule(pytest.Module):
    """A module that cannot be imported here."""

    def collect(self):
        pytest.skip(LACKING)


def pytest_pycollect_makemodule(module_path, parent):
    return SkippedModule.from_parent(parent, path=module_path) if LACKING else None


@pytest.fixture(scope="session", autouse=True)
def _stopped():
    """No session outlives the tests."""
    from kraft.spark.session import stop  # noqa: PLC0415 - needs pyspark, as all below

    yield
    stop()


@pytest.fixture
def spark():
    """Spark in this process, on two cores: one session as long as nobody asks for another master."""
    from kraft.spark.session import spark_session  # noqa: PLC0415

    session = spark_session("local[2]")
    session.conf.set("spark.sql.codegen.wholeStage", "true")
    return session


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A standalone cluster of two workers."""
    from spark_cluster import Cluster  # noqa: PLC0415

    from kraft.spark.session import stop  # noqa: PLC0415

    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started
        stop()


if not LACKING:
    from spark_cluster import SUBMIT

    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"{SUBMIT} pyspark-shell")
