"""`python -m jobs.explain` as a user types it."""

import json
import math

import polars as pl
import pytest
from commands import run

pytestmark = pytest.mark.slow

SETTINGS = ("--raw", "raw", "--rounds", "20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data and its trained model."""
    folder = tmp_path_factory.mktemp("explain")
    made = run("synthesize", "--to", "raw", "--users", 80, "--items", 150, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run("train", *SETTINGS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pair(folder):
    """A user and a video that the train period knows."""
    train = pl.read_parquet(folder / "work/tables/interactions_train.parquet")
    return train["user_id"][0], train["item_id"][0]


def explained(folder, *arguments):
    done = run("explain", *SETTINGS, "--json-out", "explained.json", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "explained.json").read_text(encoding="utf-8"))["explanations"], done.stdout


def stranger(folder, column, train, listed):
    """An id of the file beside the log that is not in train."""
    tables = folder / "work/tables"
    known, all_ids = (pl.read_parquet(tables / f"{name}.parquet")[column] for name in (train, listed))
    return all_ids.filter(~all_ids.is_in(known.implode())).min()


@pytest.mark.parametrize("preset", ["kraft", "documented"])
def test_the_effects_add_up_to_the_score_that_the_pair_gets(folder, pair, preset):
    user, item = pair
    explanations, printed = explained(folder, "--user", user, "--item", item, "--preset", preset, "--features", 4)
    (one,) = explanations
    assert (one["user_id"], one["item_id"], one["notes"]) == (user, item, [])
    raw = one["base"] + sum(part["contribution"] for part in one["contributions"])
    assert 1 / (1 + math.exp(-raw)) == pytest.approx(one["score"], abs=1e-9)
    (folder / "pair.csv").write_text(f"user_id,item_id\n{user},{item}\n")
    done = run("score", *SETTINGS, "--preset", preset, "--pairs", "pair.csv", "--out", f"{preset}.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(folder / f"{preset}.parquet")["score"].item() == one["score"]
    lines = printed.splitlines()
    assert lines[0] == f"user {user}, video {item}: score {one['score']:.4f}"
    assert "the average of all rows" in lines[2]
    assert all(verb in {"raises", "lowers", "keeps"} for verb in (line.split()[2] for line in lines[3:8]))
    assert "features together" in lines[7]
    assert f"  {one['score']:.1%}  " in lines[7]
    assert ("the user's 64 ALS factors" in {part["text"] for part in one["contributions"]}) == (preset == "documented")
    assert f"explain  1 score of user {user} -> explained.json" in printed
    assert list((folder / "work" / "tmp").iterdir()) == []


def test_strangers_are_explained_like_the_cold_ones_they_are_and_told_so(folder, pair):
    user = stranger(folder, "user_id", "user_index", "user_features")
    item = stranger(folder, "item_id", "item_index", "video_metadata")
    (one,), printed = explained(folder, "--user", user, "--item", item)
    assert f"  user {user} is not in the train period: scored like any user without a history" in printed.splitlines()
    assert (
        f"  video {item} is not in the train period: scored as a new video, without a history" in printed.splitlines()
    )
    values = {part["features"][0]: part["value"] for part in one["contributions"]}
    assert values["user_rate"] == values["item_rate"] == "unknown"
    (one,), _ = explained(folder, "--user", pair[0], "--item", item)
    assert [note.split()[0] for note in one["notes"]] == ["video"]


@pytest.mark.parametrize("kind", ["user", "video"])
def test_ids_of_no_table_are_refused(folder, pair, kind):
    user, item = (999_999, pair[1]) if kind == "user" else (pair[0], 999_999)
    done = run("explain", *SETTINGS, "--user", user, "--item", item, "--json-out", "none.json", cwd=folder)
    assert done.returncode == 2
    assert f"error: {kind} 999999: no such {kind} in the log or in the files beside it" in done.stderr
    assert "Those with a history are in " in done.stderr
    assert not (folder / "none.json").exists()


def test_the_best_recommendations_are_explained_in_their_order(folder, pair):
    explanations, printed = explained(folder, "--user", pair[0], "--top", 3)
    assert [one["user_id"] for one in explanations] == [pair[0]] * 3
    assert len({one["item_id"] for one in explanations}) == 3
    scores = [one["score"] for one in explanations]
    assert scores == sorted(scores, reverse=True)
    assert all(one["sources"] for one in explanations)
    assert printed.count("(retrieved by ") == 3
    assert "watch_time" not in printed
    assert f"explain  3 scores of user {pair[0]}" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "1"], "--item and --top: exactly one of them is needed"),
        (["--user", "1", "--item", "2", "--top", "3"], "--item and --top: exactly one of them is needed"),
        (["--item", "2"], "--user is required"),
        (["--user", "-1", "--item", "2"], "--user -1: not an id, an integer from 0 to 2,147,483,647"),
        (["--user", "1", "--item", "3000000000"], "--item 3000000000: not an id, an integer from 0 to 2,147,483,647"),
        (["--user", "1", "--top", "0"], "--top 0: input should be greater than or equal to 1"),
    ],
)
def test_bad_options_are_one_clear_error(tmp_path, arguments, message):
    done = run("explain", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "work").exists()
