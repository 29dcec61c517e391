"""`kraft.engine.process.progress`: bars on a terminal, plain lines elsewhere, nothing on stdout."""

import sys

import pytest

from kraft.engine.process import progress
from kraft.engine.process.progress import NORMAL, QUIET, VERBOSE, Progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_plain_lines_where_there_is_no_terminal(capsys, clock):
    with Progress().task("train", 1000, "rounds") as task:
        task.advance(10)
        clock.now += 14
        task.advance(10)
        clock.now += 1
        task.note("AUC 0.7")
        task.advance(1980)
        clock.now += 1
        task.advance()
    out, err = capsys.readouterr()
    assert (out, err) == ("", "train  2,000 of 1,000 rounds  15 s  AUC 0.7\n")


def test_bytes_show_a_rate(capsys, clock):
    with Progress().task("fetch", None, "B") as task:
        clock.now += 20
        task.advance(50_000_000)
    assert capsys.readouterr().err == "fetch  50,000,000 B  20 s  2.5 MB/s\n"


@pytest.mark.parametrize("verbosity", [QUIET, NORMAL, VERBOSE])
def test_short_tasks_say_nothing(capsys, verbosity):
    with Progress(verbosity).task("build", 3, "tables") as task:
        task.advance(3)
    assert capsys.readouterr() == ("", "")


def test_quiet_says_nothing_however_long_it_takes(capsys, clock):
    with Progress(QUIET).task("build", 3, "tables") as task:
        clock.now += 100
        task.advance()
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress().task("build_features", 4, "tables") as task:
        task.note("split")
        task.advance(4)
    out, err = capsys.readouterr()
    assert out == ""
    assert "build_features:" in err
    assert "0.00/4.00" in err
    # The bar is wiped when the task ends: what follows starts on a clean line.
    assert err.endswith("\r")


def test_task_is_closed_after_an_error(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(ZeroDivisionError, match="division"), Progress().task("build", 4):
        _ = 1 / 0
    assert capsys.readouterr().err.endswith("\r")


@pytest.mark.parametrize(("verbosity", "heard"), [(QUIET, ""), (NORMAL, "said\n"), (VERBOSE, "said\ndetailed\n")])
def test_who_hears_what(capsys, verbosity, heard):
    told = Progress(verbosity)
    told.say("said")
    told.detail("detailed")
    assert capsys.readouterr() == ("", heard)
