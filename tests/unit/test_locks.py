"""`kraft.engine.workspace.locks`: one job a work folder, and what dead ones leave is cleared away."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matching import exactly

from kraft.engine.process.progress import Progress
from kraft.engine.workspace.locks import acquire_lock, held_draft, held_folder, sweep
from kraft.errors import MachineError

HOLDER = (
    "import sys, time; from pathlib import Path\n"
    "from kraft.engine.workspace.locks import acquire_lock\n"
    "from kraft.engine.process.progress import Progress\n"
    "with acquire_lock(Path(sys.argv[1]), Progress(-1)):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of ``tmp_path`` until its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_second_job_is_told_who_holds_the_folder(tmp_path, holder):
    message = (
        rf"^{tmp_path} is in use by `-c .*` \(process {holder.pid}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\)"
        r"\n       Wait for its end, leave out --no-wait, or give another --work\.$"
    )
    with pytest.raises(MachineError, match=message), acquire_lock(tmp_path, Progress(-1), wait=False):
        pass


def test_second_job_waits_and_says_so(tmp_path, holder, capsys):
    with pytest.raises(TimeoutError, match="still waiting"):
        _within(0.2, tmp_path)
    assert f"waiting: {tmp_path} is in use by" in capsys.readouterr().err
    holder.stdin.close()
    holder.wait()
    with acquire_lock(tmp_path, Progress(0), wait=False):
        pass


def _within(seconds, folder):
    def give_up(*_):
        raise TimeoutError("still waiting")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with acquire_lock(folder, Progress(0)):
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_dead_process_does_not_keep_it(tmp_path, holder):
    holder.kill()
    holder.wait()
    with acquire_lock(tmp_path, Progress(-1), wait=False):
        pass


def test_stage_that_outlives_its_job_keeps_it_until_its_end(tmp_path, monkeypatch):
    helpers = str(Path(__file__).resolve().parents[1] / "helpers")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (helpers, os.environ.get("PYTHONPATH")))))
    started = tmp_path / "started"
    job = (
        "from pathlib import Path; from stages import Asked, wait\n"
        "from kraft.engine.process.worker import run; from kraft.engine.workspace.locks import acquire_lock\n"
        "from kraft.engine.process.progress import Progress\n"
        f"with acquire_lock(Path({str(tmp_path)!r}), Progress(-1)) as lock:\n"
        f"    run(wait, Asked(path={str(started)!r}), lock=lock)"
    )
    with subprocess.Popen([sys.executable, "-c", job]) as process:
        _until(lambda: started.exists() and started.read_text(encoding="utf-8"))
        stage = int(started.read_text(encoding="utf-8"))
        # Stopped, the stage cannot see that its job has ended.
        os.kill(stage, signal.SIGSTOP)
        process.kill()
    with pytest.raises(MachineError, match="is in use by"), acquire_lock(tmp_path, Progress(-1), wait=False):
        pass
    os.kill(stage, signal.SIGKILL)
    _until(lambda: not Path(f"/proc/{stage}").exists())
    with acquire_lock(tmp_path, Progress(-1), wait=False):
        pass


def test_folder_that_may_not_be_written_to():
    with (
        pytest.raises(MachineError, match=r"^/proc/lock: .*\n       Choose a --work folder you may write to\.$"),
        acquire_lock(Path("/proc"), Progress(-1)),
    ):
        pass


def test_sweep_removes_what_nobody_holds(tmp_path):
    (tmp_path / "job-dead" / "more").mkdir(parents=True)
    (tmp_path / "job-dead" / "more" / "half").write_bytes(b"x")
    (tmp_path / "file").touch()
    with held_folder(tmp_path, "job-") as living:
        sweep(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {living.name, "file"}
    assert not living.exists()


def test_folder_that_a_sweep_took_in_the_making_is_made_again(tmp_path, monkeypatch):
    real, swept = fcntl.flock, []

    def flock(handle, how):
        if how == fcntl.LOCK_EX and not swept:
            swept.append(True)
            sweep(tmp_path)
        real(handle, how)

    monkeypatch.setattr("kraft.engine.workspace.locks.fcntl.flock", flock)
    with held_folder(tmp_path, "job-") as folder:
        assert folder.is_dir()


def test_drafts_of_dead_processes_are_removed_with_the_next_of_the_same_file(tmp_path):
    (tmp_path / ".out.csv.123.part").touch()
    (tmp_path / ".other.csv.123.part").touch()
    with held_draft(tmp_path / "out.csv") as draft:
        with held_draft(tmp_path / "out2.csv"):
            pass
        assert {path.name for path in tmp_path.iterdir()} == {draft.name, ".other.csv.123.part"}


def test_a_link_in_place_of_a_draft_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (tmp_path / f".out.csv.{os.getpid()}.part").symlink_to("precious")
    with held_draft(tmp_path / "out.csv") as draft:
        draft.write_text("new", encoding="utf-8")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"


def _until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_message_is_exact_where_the_holder_cannot_be_read(tmp_path, holder):
    (tmp_path / "lock").write_text("?", encoding="utf-8")
    message = (
        f"{tmp_path} is in use by another job\n       Wait for its end, leave out --no-wait, or give another --work."
    )
    with pytest.raises(MachineError, match=exactly(message)), acquire_lock(tmp_path, Progress(-1), wait=False):
        pass
    assert holder.poll() is None
