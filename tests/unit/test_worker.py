"""`kraft.engine.process.worker`: what crosses from a stage's process to the job's, and how each end is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matching import exactly
from pydantic import ValidationError
from stages import Asked, crash, die, echo, fail, fill, leave, low_memory_echo, streaming_echo, to_numpy

from kraft import errors
from kraft.engine.process.worker import run, run_here
from kraft.errors import KraftError, MachineError

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _stages_can_be_imported(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(HELPERS), os.environ.get("PYTHONPATH")))))


def test_result_comes_back_with_what_it_cost(capfd):
    measured = run(echo, Asked(text="工作 \n", number=0.1))
    assert (measured.result.text, measured.result.number) == ("工作 \n", 0.1)
    assert measured.result.pid != os.getpid()
    assert measured.peak_bytes > 5 * MIB
    assert 0 < measured.seconds < 60
    out, err = capfd.readouterr()
    assert (out, err) == ("", "told on stderr\n")


def test_peak_is_the_stages_own():
    # The kernel counts from before the process became Python, so that this one's size would be the least it
    # reports: a small process asks instead.
    code = (
        "import json; from kraft.engine.process.worker import run; from stages import Asked, grow\n"
        f"sizes = [{400 * MIB}, 1]\n"
        "print(json.dumps([run(grow, Asked(number=size)).peak_bytes for size in sizes]))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large, small = json.loads(asked.stdout)
    assert 400 * MIB < large < 450 * MIB
    assert 5 * MIB < small < 100 * MIB


def test_libraries_are_told_to_share_the_cores(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    result = run(echo, Asked(variables=["OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"])).result
    assert result.environment == {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "3"}


@pytest.mark.slow
def test_arrays_cross_to_arrow_and_back_without_pandas():
    pytest.importorskip("pandas", reason="needs the extra [bench]")
    result = run(to_numpy, Asked(number=-2.5, packages=["pyarrow", "pandas"])).result
    assert (result.number, result.loaded) == (-2.5, ("pyarrow",))


@pytest.mark.parametrize(("stage", "threshold"), [(echo, str(512 * MIB)), (low_memory_echo, "131072")])
def test_a_low_memory_stage_gives_memory_back_at_once(monkeypatch, stage, threshold):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    result = run(stage, Asked(variables=["MALLOC_TRIM_THRESHOLD_"])).result
    assert result.environment == {"MALLOC_TRIM_THRESHOLD_": threshold}


def test_polars_reads_with_one_thread_in_a_streaming_stage_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.setenv("POLARS_ROW_GROUP_PREFETCH_SIZE", "7")
    result = run(streaming_echo, Asked(variables=["POLARS_MAX_THREADS", "POLARS_ROW_GROUP_PREFETCH_SIZE"])).result
    assert result.environment == {"POLARS_MAX_THREADS": "1", "POLARS_ROW_GROUP_PREFETCH_SIZE": "7"}


def test_arguments_are_those_that_the_stage_declares():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Asked(texts="one")
    with pytest.raises(ValidationError, match="valid string"):
        echo.answer('{"text": 3}')


@pytest.mark.parametrize("kind", ["InputError", "MachineError", "DownloadError", "QueryError", "KraftError"])
def test_error_crosses_with_its_type(kind, capfd):
    with pytest.raises(KraftError, match=exactly("it's broken\n       Mend it.")) as caught:
        run(fail, Asked(text=kind))
    assert type(caught.value) is getattr(errors, kind)
    assert (caught.value.problem, caught.value.remedy) == ("it's broken", "Mend it.")
    assert capfd.readouterr().err == ""


def test_full_disk_of_a_stage_is_told_with_its_name(capfd):
    with pytest.raises(MachineError, match=r"^stage fill: no space left on device\n       Free some disk space"):
        run(fill, Asked(text="12345 requested and 400 written"))
    assert capfd.readouterr().err == ""


def test_killed_stage_is_the_machines_fault():
    message = r"^stage die was killed by SIGKILL at [\d,]+ MiB\n       If the kernel did that because memory ran out"
    with pytest.raises(MachineError, match=message):
        run(die, Asked(number=signal.SIGKILL))


def test_crash_shows_its_traceback(capfd):
    with pytest.raises(MachineError, match=exactly("stage crash failed (exit 1)")):
        run(crash, Asked(number=0))
    assert "ZeroDivisionError: float division by zero" in capfd.readouterr().err


@pytest.mark.parametrize("code", [0, 7])
def test_stage_that_ends_without_a_result(code):
    with pytest.raises(MachineError, match=exactly(f"stage leave failed (exit {code})")):
        run(leave, Asked(number=code))


def test_process_that_ends_before_it_has_read_its_arguments(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MachineError, match=exactly("stage echo failed (exit 1)")):
        run(echo, Asked(text="x" * MIB))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_job_takes_its_stage_along(tmp_path, signum, code):
    """A stage that does not listen is killed, not left behind."""
    started = tmp_path / "started"
    job = (
        "import jobs._command, kraft.engine.process.worker; from stages import Asked, wait\n"
        "from jobs.build_features import Options\n"
        f"asked = Asked(path={str(started)!r})\n"
        "jobs._command.run(Options, lambda _: kraft.engine.process.worker.run(wait, asked) and 0)"
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


def test_a_stage_here_runs_in_this_process():
    measured = run_here(echo, Asked(number=7))
    assert (measured.result.pid, measured.result.number) == (os.getpid(), 7)
    assert measured.seconds >= 0
    assert measured.peak_bytes > 0
