"""Tests of `kraft.spark`; they run where the extra is installed and Java is there."""

import os
import shutil

import pytest

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")
if shutil.which("java") is None:
    pytest.skip("Java is not installed", allow_module_level=True)

from spark_cluster import SUBMIT, Cluster  # noqa: E402 - needs pyspark

from kraft.spark.session import spark_session, stop  # noqa: E402

os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"{SUBMIT} pyspark-shell")


@pytest.fixture(scope="session", autouse=True)
def _stopped():
    """No session outlives the tests."""
    yield
    stop()


@pytest.fixture
def spark():
    """Spark in this process, on two cores: one session as long as nobody asks for another master."""
    return spark_session("local[2]")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A standalone cluster of two workers."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started
        stop()
