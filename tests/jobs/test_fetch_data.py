"""`python -m jobs.fetch_data` as a person runs it, against a real server on loopback."""

import fcntl
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from loopback_server import Answer, FaultyServer

from kraft.logs.download.unpack import REQUIRED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}
TABLES = {name: b"id\n" + random.Random(name).randbytes(30_000) for name in REQUIRED}
FOLDER = Path("KuaiRec 2.0", "data")


def _archive():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in TABLES.items():
            opened.writestr(f"KuaiRec 2.0/data/{name}", body)
        opened.writestr("KuaiRec 2.0/LICENSE", b"CC BY-SA 4.0")
    return memory.getvalue()


BODY = _archive()
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()


@pytest.fixture
def server():
    with FaultyServer(BODY) as running:
        yield running


def arguments(server, *options):
    command = [sys.executable, "-m", "jobs.fetch_data", "--url", server.url]
    return [*command, *(() if "--md5" in options else ("--md5", MD5)), *options]


@pytest.fixture
def run(server, tmp_path):
    def call(*options):
        return subprocess.run(
            arguments(server, *options),
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return call


def tables(to):
    return {path.name: path.read_bytes() for path in (to / FOLDER).iterdir()}


def test_fetch_then_nothing_to_do_then_repair(run, server, tmp_path):
    to = tmp_path / "my data"
    server.script = [Answer(cut=70_000)]
    first = run("--to", "my data", "--verbose")
    assert (first.returncode, tables(to)) == (0, TABLES), first.stderr
    assert sorted(path.name for path in to.iterdir()) == ["KuaiRec 2.0", "KuaiRec.json"]
    assert server.ranges == [None, "bytes=70000-"]
    lines = first.stdout.splitlines()
    assert lines[0].startswith("fetch_data  7 files, 0.2 MiB in my data/KuaiRec 2.0/data   ")
    assert lines[1].startswith("  downloaded  0.2 MiB in ")
    assert lines[1].endswith(" MiB/s")
    assert lines[-1] == "next      python -m jobs.score --raw 'my data' --out submission.parquet"
    assert "left out  KuaiRec 2.0/LICENSE" in first.stderr
    assert "again in" in first.stderr
    assert json.loads((to / "KuaiRec.json").read_text())["md5"] == MD5

    before = {path: path.stat().st_mtime_ns for path in to.rglob("*")}
    second = run("--to", "my data")
    assert second.returncode == 0
    assert "fetch_data  nothing to do: 7 files" in second.stdout
    assert before == {path: path.stat().st_mtime_ns for path in to.rglob("*")}
    assert len(server.requests) == 2

    (to / FOLDER / REQUIRED[0]).unlink()
    (to / FOLDER / REQUIRED[3]).write_bytes(b"id\n")
    third = run("--to", "my data", "--keep-archive")
    assert (third.returncode, tables(to)) == (0, TABLES)
    assert f"repairing  {REQUIRED[3]}, {REQUIRED[0]}" in third.stderr
    assert f"restored  {REQUIRED[0]}, {REQUIRED[3]}; the other 5 were whole" in third.stdout
    intact = to / FOLDER / REQUIRED[1]
    assert intact.stat().st_mtime_ns == before[intact]

    # The archive is there now: a repair needs no network.
    asked = len(server.requests)
    intact.unlink()
    fourth = run("--to", "my data")
    assert (fourth.returncode, tables(to)) == (0, TABLES)
    assert len(server.requests) == asked
    assert "  kept  my data/KuaiRec.zip" in fourth.stdout
    assert (to / "KuaiRec.zip").exists()


def test_a_killed_download_goes_on_at_the_next_call(run, server, tmp_path):
    server.script = [Answer(stall=100_000)]
    part = tmp_path / "data" / "KuaiRec.zip.part"
    with subprocess.Popen(arguments(server), cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size > 50_000):
            assert time.monotonic() < deadline, "no byte arrived"
            time.sleep(0.01)
        # The folder is taken while the first one lives.
        other = run()
        process.send_signal(signal.SIGKILL)
    assert (other.returncode, "another fetch is at work there" in other.stderr) == (1, True)
    have = part.stat().st_size
    again = run()
    assert (again.returncode, tables(tmp_path / "data")) == (0, TABLES), again.stderr
    assert server.ranges == [None, f"bytes={have}-"]
    assert "were here from before" in again.stdout
    assert "going on at 0.1 MiB" in again.stderr


def test_wrong_bytes_leave_nothing_behind(run, server, tmp_path):
    server.body = BODY[:-1] + b"?"
    result = run("--quiet")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {server.url}: the file's md5 is ")
    assert f"expected {MD5}" in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "data").iterdir()) == []
    assert result.stdout == ""


def test_a_missing_file_is_told_at_once(run, server):
    server.always = Answer(status=404)
    result = run()
    assert result.returncode == 1
    assert "the server answered 404 Not Found" in result.stderr
    assert len(server.requests) == 1


def test_somebody_elses_archive_is_neither_used_nor_deleted(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "KuaiRec.zip").write_bytes(b"mine")
    result = run()
    assert result.returncode == 2
    assert "data/KuaiRec.zip: its md5 is " in result.stderr
    assert (tmp_path / "data" / "KuaiRec.zip").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--md5", "abc"), "--md5 abc"),
        (("--url", "ftp://x/y"), "--url ftp://x/y"),
        (("--to", "f"), "not a folder"),
    ],
)
def test_bad_options_are_bad_input(run, server, tmp_path, options, match):
    (tmp_path / "f").write_bytes(b"")
    result = run(*options)
    assert (result.returncode, match in result.stderr) == (2, True), result.stderr
    assert server.requests == []


def test_help_states_the_defaults():
    result = subprocess.run(
        [sys.executable, "-m", "jobs.fetch_data", "--help"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "261550d472c48eff4990fb13c0e5bcf7" in result.stdout
    assert "https://zenodo.org/records/18164998/files/KuaiRec.zip" in result.stdout


def test_the_lock_is_on_the_folder_and_leaves_no_file(run, tmp_path):
    (tmp_path / "data").mkdir()
    handle = os.open(tmp_path / "data", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert run().returncode == 1
    finally:
        os.close(handle)
    assert list((tmp_path / "data").iterdir()) == []


def test_the_manifest_of_another_version_does_not_outlive_its_tables(run, server, tmp_path):
    to = tmp_path / "data"
    to.mkdir()
    sizes = dict.fromkeys(REQUIRED, 1)
    (to / "KuaiRec.json").write_text(json.dumps({"url": "https://x/y", "md5": "0" * 32, "sizes": sizes}))
    # Right by its MD5, but no archive: unpacking fails halfway.
    server.body = BODY[:-100]
    result = run("--md5", hashlib.md5(server.body, usedforsecurity=False).hexdigest())
    assert result.returncode == 1
    assert "not a whole ZIP file" in result.stderr
    assert not (to / "KuaiRec.json").exists()


@pytest.mark.parametrize("name", [REQUIRED[0], "kuairec_caption_category.csv"])
def test_tables_of_somebody_else_are_not_replaced(run, server, tmp_path, name):
    mine = tmp_path / "data" / FOLDER / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    done = run("--to", "data")
    assert done.returncode == 2
    assert f"{name} is there, and fetch_data has not brought it" in done.stderr
    assert mine.read_text(encoding="utf-8") == "mine"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["KuaiRec 2.0"]
    assert not server.requests


def test_a_broken_unpacking_is_gone_on_with(run, tmp_path):
    """Tables without a manifest, but the archive is there: they are of the run before."""
    (tmp_path / "data" / FOLDER).mkdir(parents=True)
    (tmp_path / "data" / "KuaiRec.zip").write_bytes(BODY)
    (tmp_path / "data" / FOLDER / REQUIRED[0]).write_bytes(b"id")
    done = run("--to", "data", "--keep-archive")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / FOLDER / REQUIRED[0]).read_bytes() == TABLES[REQUIRED[0]]
