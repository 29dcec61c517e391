"""What can be wrong before Spark starts, each in one line that says what to do; and what holds once it has."""

import doctest
import os
import re
import socket
import subprocess
import sys

import pytest
from commands import run
from small_log import log_rows, write_raw

from kraft.errors import MachineError
from kraft.spark import errors, session


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_examples_hold():
    assert doctest.testmod(errors).failed == 0


def test_workers_with_other_versions(spark, monkeypatch):
    here, driver = session.versions(), os.getpid()
    monkeypatch.setattr(session, "versions", lambda: here | ({"numpy": "0.1"} if os.getpid() == driver else {}))
    monkeypatch.setattr(session, "stop", lambda: None)
    with pytest.raises(MachineError, match=f"a worker has numpy {here['numpy']}, the driver 0.1"):
        session.check_versions(spark)


def test_one_executor_with_all_cores_on_this_machine(spark):
    assert session.executors(spark) == (1, 2)


def test_master_that_is_away_ends_the_command_in_one_line(tmp_path):
    write_raw(tmp_path / "raw", log_rows())
    master = f"spark://127.0.0.1:{unused_port()}"
    done = run("build_features", "--raw", "raw", "--engine", "spark", "--master", master, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"error: --master {master}: no answer (Connection refused)"
    assert len(done.stderr.splitlines()) == 2
    assert not (tmp_path / "work").exists()


def test_url_without_spark_is_bad_input(tmp_path):
    done = run("build_features", "--raw", "hdfs://host/kuairec", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: --raw hdfs://host/kuairec: not on this machine",
        "       Spark reads from there: add --engine spark.",
    ]


BROKEN_FACTORS = """
from kraft.errors import MachineError
from kraft.stages.preset import PRESETS
from kraft.spark.als import fit
from kraft.spark.errors import asked
from kraft.spark.session import spark_session

# Only ALS itself looks at the users.
user = "cast(if(id = 3, raise_error('a broken row'), id) as int) as user_index"
counts = spark_session("local[1]").range(9).selectExpr(user, "cast(id as int) as item_index", "2 as positive_count")
try:
    asked("ALS failed", lambda: fit(counts, 9, 9, PRESETS["kraft"].als))
except MachineError as error:
    print(error.problem)
"""


def test_what_fails_inside_of_spark_is_told_by_the_job_alone():
    own = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_FACTORS], env=own, capture_output=True, text=True, timeout=120, check=True
    )
    assert re.fullmatch("ALS failed: .*a broken row.*\n", done.stdout)
    assert "spark: " not in done.stderr
    assert "\tat " not in done.stderr
