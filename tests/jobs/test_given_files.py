"""A file that an option names is checked before any work: nothing is read, built or trained for a bad one."""

import pytest
from commands import run

pytestmark = pytest.mark.slow

BAD = "user_id,item_id,score\n1,2,0.5\n-1,2,0.5\n"
COMMANDS = [
    ("score", "--pairs", "bad.csv", "--out", "scores.csv"),
    ("recommend", "--users", "bad.csv", "--out", "lists.csv"),
    ("recommend", "--items", "items.csv", "--out", "lists.csv"),
    ("evaluate", "--compare", "kraft", "bad.csv"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_bad_file_is_told_before_any_work(tmp_path, words):
    (tmp_path / "bad.csv").write_text(BAD, encoding="utf-8")
    (tmp_path / "items.csv").write_text("video_id\n3\nx\n", encoding="utf-8")
    run("synthesize", "--users", 20, "--items", 60, "--to", "raw", cwd=tmp_path)
    done = run(*words, "--raw", "raw", cwd=tmp_path)
    assert done.returncode == 2
    assert "line 3, column" in done.stderr
    assert not list((tmp_path / "work/tables").glob("*")) + list((tmp_path / "work/models").glob("*"))
    assert not list(tmp_path.glob("*.csv.*")) + list(tmp_path.glob("lists.csv")) + list(tmp_path.glob("scores.csv"))
