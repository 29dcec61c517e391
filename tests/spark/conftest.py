"""Tests of `kraft.spark`; they run where the extra is installed and Java is there."""

import os
import shutil

import pytest

pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")
if shutil.which("java") is None:
    pytest.skip("Java is not installed", allow_module_level=True)


# A JVM that lives a minute compiles longer than it computes: half of the time with its first compiler alone.
os.environ.setdefault(
    "PYSPARK_SUBMIT_ARGS",
    "--driver-java-options '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' --driver-memory 2g pyspark-shell",
)


@pytest.fixture(scope="session")
def spark():
    """Spark in this process, on two cores; one session for all tests."""
    from kraft.spark.session import spark_session, stop  # noqa: PLC0415

    yield spark_session("local[2]")
    stop()
