"""`kraft.engine.isolation`: what crosses from a stage's process to the job's, and how each end is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matching import exactly

from kraft import errors
from kraft.engine.isolation import THRIFTY, RunningStage, StageHere, run_stage
from kraft.errors import KraftError, MachineError

TESTS = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _stages_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS))


def test_result_comes_back_with_what_it_cost(capfd):
    result = run_stage("stages:echo", {"text": "工作 \n", "number": 0.1})
    assert (result["text"], result["number"]) == ("工作 \n", 0.1)
    assert result["pid"] != os.getpid()
    assert result["peak_bytes"] > 5 * MIB
    assert 0 < result["seconds"] < 60
    out, err = capfd.readouterr()
    assert (out, err) == ("", "told on stderr\n")


def test_peak_is_the_stages_own():
    # The kernel counts from before the process became Python, so that this one's size would be the least it
    # reports: a small process asks instead.
    code = (
        "import json; from kraft.engine.isolation import run_stage\n"
        f"sizes = [{400 * MIB}, 1]\n"
        "print(json.dumps([run_stage('stages:grow', {'bytes': size})['peak_bytes'] for size in sizes]))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large, small = json.loads(asked.stdout)
    assert 400 * MIB < large < 450 * MIB
    assert 5 * MIB < small < 100 * MIB


def test_libraries_are_told_to_share_the_cores(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    result = run_stage("stages:echo", {"variables": ["OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"]})
    assert result["environment"] == {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "3"}


def test_arrays_cross_to_arrow_and_back_without_pandas():
    pytest.importorskip("pandas", reason="needs the extra [bench]")
    result = run_stage("stages:to_numpy", {"numbers": [1.5, -2.0], "packages": ["pyarrow", "pandas"]})
    assert (result["numbers"], result["loaded"]) == ([1.5, -2.0], ["pyarrow"])


@pytest.mark.parametrize(("environment", "threshold"), [({}, str(512 * MIB)), (THRIFTY, "131072")])
def test_a_thrifty_stage_gives_memory_back_at_once(monkeypatch, environment, threshold):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    result = run_stage("stages:echo", {"variables": ["MALLOC_TRIM_THRESHOLD_"]}, environment=environment)
    assert result["environment"] == {"MALLOC_TRIM_THRESHOLD_": threshold}


def test_news_come_before_the_end(tmp_path):
    go = tmp_path / "go"
    with RunningStage("stages:two_steps", {"go": str(go), "answers": True}) as running:
        assert running.wait_for("first step")
        go.touch()
        result = running.result()
    assert result["pid"] != os.getpid()


@pytest.mark.parametrize("news", ["second step", "no such news"])
def test_stage_that_ends_without_the_news_or_a_result(tmp_path, news):
    (tmp_path / "go").touch()
    with RunningStage("stages:two_steps", {"go": str(tmp_path / "go"), "answers": False}) as running:
        assert running.wait_for(news) == (news == "second step")
        with pytest.raises(MachineError, match=exactly("stage stages failed (exit 0)")):
            running.result()


def test_stage_that_nobody_waits_for_is_killed(tmp_path):
    with RunningStage("stages:wait", {"started": str(tmp_path / "pid")}):
        deadline = time.monotonic() + 30
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)


def test_stage_started_ahead_counts_its_time_from_its_arguments():
    with RunningStage("stages:echo") as waiting:
        time.sleep(1.5)
        waiting.begin({"number": 7})
        result = waiting.result()
    assert result["number"] == 7
    assert result["seconds"] < 1.5


def test_stage_started_ahead_that_is_not_needed_ends_without_a_word(capfd):
    with RunningStage("stages:echo"):
        pass
    orphan = subprocess.run(
        [sys.executable, "-m", "kraft.engine.isolation", "stages:echo"], stdin=subprocess.DEVNULL, check=True
    )
    assert orphan.returncode == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("kind", ["InputError", "MachineError", "DownloadError", "QueryError", "KraftError"])
def test_error_crosses_with_its_type(kind, capfd):
    with pytest.raises(KraftError, match=exactly("it's broken\n       Mend it.")) as caught:
        run_stage("stages:fail", {"kind": kind})
    assert type(caught.value) is getattr(errors, kind)
    assert (caught.value.problem, caught.value.remedy) == ("it's broken", "Mend it.")
    assert capfd.readouterr().err == ""


def test_full_disk_of_a_stage_is_told_with_its_name(capfd):
    with pytest.raises(MachineError, match=r"^stage stages: no space left on device\n       Free some disk space"):
        run_stage("stages:fill", {"told": "12345 requested and 400 written"})
    assert capfd.readouterr().err == ""


def test_killed_stage_is_the_machines_fault():
    message = r"^stage stages was killed by SIGKILL at [\d,]+ MiB\n       Where that was the kernel for want of memory"
    with pytest.raises(MachineError, match=message):
        run_stage("stages:die", {"signal": signal.SIGKILL})


def test_crash_shows_its_traceback(capfd):
    with pytest.raises(MachineError, match=exactly("stage stages failed (exit 1)")):
        run_stage("stages:crash", {"zero": 0})
    assert "ZeroDivisionError: division by zero" in capfd.readouterr().err


@pytest.mark.parametrize("code", [0, 7])
def test_stage_that_ends_without_a_result(code):
    with pytest.raises(MachineError, match=exactly(f"stage stages failed (exit {code})")):
        run_stage("stages:leave", {"code": code})


def test_stage_that_is_not_there(capfd):
    with pytest.raises(MachineError, match=r"^stage no_such_module failed \(exit 1\)$"):
        run_stage("no_such_module:build", {})
    assert "ModuleNotFoundError" in capfd.readouterr().err


def test_process_that_ends_before_it_has_read_its_arguments(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MachineError, match=exactly("stage stages failed (exit 1)")):
        run_stage("stages:echo", {"text": "x" * MIB})


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_job_takes_its_stage_along(tmp_path, signum, code):
    """A stage that does not listen is killed, not left behind."""
    started = tmp_path / "started"
    job = (
        "from jobs._command import run; from kraft.engine.isolation import run_stage\n"
        "from jobs.build_features import Options\n"
        f"run(Options, lambda _: run_stage('stages:wait', {{'started': {str(started)!r}}}) and 0)"
    )
    process = subprocess.Popen([sys.executable, "-c", job], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (started.exists() and started.read_text(encoding="utf-8")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signum)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert told.startswith("stopped: ")
    assert len(told.splitlines()) == 1
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(int(started.read_text(encoding="utf-8")), 0)


def test_a_stage_here_runs_in_this_process_when_its_result_is_asked_for():
    with StageHere("stages:echo") as stage:
        assert stage.wait_for("anything") is False
        stage.begin({"variables": [], "number": 7})
        result = stage.result()
    assert (result["pid"], result["number"]) == (os.getpid(), 7)
    assert result["seconds"] >= 0
    assert result["peak_bytes"] > 0
