"""The preset `kraft` from raw files to metrics, run for real: what it learns from, and what it must not see."""

import csv
import json
import shutil

import polars as pl
import pytest
from commands import run

from kraft.stages.table_lists import PAIR_TABLES

FROM_HISTORY = tuple(name for name in PAIR_TABLES if name != "pair_features")
"""Tables that are made of a history alone."""
LABELS = ("positive_interaction", "timestamp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with synthetic data, scored and evaluated."""
    folder = tmp_path_factory.mktemp("kraft")
    made = run("synthesize", "--to", "raw", "--users", 80, "--items", 150, "--quiet", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run("evaluate", "--raw", "raw", "--threads", 2, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def table(folder, name, work="work"):
    return pl.read_parquet(folder / work / "tables" / f"{name}.parquet")


def changed_log(folder, to, change):
    """A copy of the raw files in which ``change`` has gone over every row of the log, a dict of texts."""
    shutil.copytree(folder / "raw", folder / to)
    with (folder / "raw" / "small_matrix.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with (folder / to / "small_matrix.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _exaggerate(row):
    row.update(play_duration=str(500 * int(row["video_duration"])), watch_ratio="500.0")


def test_labels_come_after_the_history_that_the_features_are_made_of(folder):
    cut = table(folder, "split", "work/fit")["cut_timestamp"][0]
    labels = table(folder, "pair_features", "work/fit")
    assert labels["timestamp"].min() >= cut
    assert table(folder, "interactions_train", "work/fit")["timestamp"].max() == cut
    assert labels["timestamp"].max() <= table(folder, "split")["cut_timestamp"][0]
    assert table(folder, "watch_times", "work/fit")["last_time"].max() <= cut


def test_the_ranker_meets_videos_without_history_as_it_will_in_the_test_period(folder):
    assert 0.1 < 1 - table(folder, "pair_features", "work/fit")["is_warm"].mean() < 0.6
    assert table(folder, "watch_times")["item_id"].n_unique() == table(folder, "item_index").height


@pytest.mark.slow
def test_an_extreme_event_after_a_cut_moves_no_feature_from_before_it(folder):
    """In the test period it moves nothing at all; among the label rows, only what is made of the whole train period."""
    cut, history = (table(folder, "split", work)["cut_timestamp"][0] for work in ("work", "work/fit"))

    def plant_in_test(row):
        if not row["timestamp"] or float(row["timestamp"]) > cut:
            _exaggerate(row)

    def plant_in_labels(row):
        if row["timestamp"] and history < float(row["timestamp"]) <= cut:
            _exaggerate(row)

    for name, plant, moved in (("test", plant_in_test, False), ("labels", plant_in_labels, True)):
        changed_log(folder, f"raw-{name}", plant)
        done = run("build_features", "--raw", f"raw-{name}", "--work", f"work-{name}", cwd=folder)
        assert done.returncode == 0, done.stderr
        for made in FROM_HISTORY:
            before, after = (table(folder, made, f"{work}/fit") for work in ("work", f"work-{name}"))
            assert after.equals(before), made
            before, after = (table(folder, made, work) for work in ("work", f"work-{name}"))
            assert after.equals(before) != (moved and made != "daily_stats"), made
        before, after = (
            table(folder, "pair_features", f"{work}/fit").drop(LABELS) for work in ("work", f"work-{name}")
        )
        assert after.equals(before)
    scored, planted = (table(folder, "pair_features", work) for work in ("work", "work-test"))
    assert planted.drop(LABELS).equals(scored.drop(LABELS))
    assert planted["positive_interaction"].all()


@pytest.mark.slow
def test_scores_do_not_depend_on_the_threads(folder):
    done = run("score", "--raw", "raw", "--work", "single", "--threads", 1, "--out", "single.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(folder / "single.parquet").equals(table(folder, "scores_kraft"))


def test_the_evaluation_shows_what_it_is_worth(folder):
    report = json.loads((folder / "work" / "evaluation.json").read_text(encoding="utf-8"))
    sets = {one["name"]: one for one in report["score_sets"]}
    assert {"kraft", "random", "popularity", "positive rate", "shortest first", "ALS alone"} <= sets.keys()
    estimates = sets["kraft"]["estimates"]
    assert estimates["auc"]["low"] < estimates["auc"]["value"] < estimates["auc"]["high"]
    assert estimates["auc cold items"]["value"] > 0.65
    assert sets["positive rate"]["first_minus_this"]["auc"]["low"] > 0
    assert report["score_sets"][0]["calibration"]["log_loss"] < 0.6
    assert "low activity" in (folder / "printed.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_presets_are_compared_user_by_user(folder):
    compared = run("evaluate", "--raw", "raw", "--compare", "kraft", "documented", "--rounds", 10, cwd=folder)
    assert compared.returncode == 0, compared.stderr
    report = json.loads((folder / "work" / "comparison.json").read_text(encoding="utf-8"))
    assert (report["a"], report["b"]) == ("kraft", "documented")
    assert report["metrics"]["auc cold items"]["low"] > 0
    assert report["users"]["rise"] > report["users"]["fall"]


@pytest.mark.slow
def test_optional_files_may_be_missing(folder):
    shutil.copytree(folder / "raw", folder / "bare")
    for stem in ("item_daily_features", "social_network", "kuairec_caption_category"):
        (folder / "bare" / f"{stem}.csv").unlink()
    done = run("score", "--raw", "bare", "--work", "bare-work", "--rounds", 5, "--out", "bare.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    for stem in ("item_daily_features", "social_network", "kuairec_caption_category"):
        assert f"absent  {stem}: its features are missing" in done.stdout
    features = table(folder, "pair_features", "bare-work")
    assert features["daily_days"].null_count() == features["friend_rate"].null_count() == features.height


@pytest.mark.slow
def test_a_group_of_features_can_be_left_out(folder):
    done = run("train", "--raw", "raw", "--without", "daily", "watch-time", "--rounds", 5, cwd=folder)
    assert done.returncode == 0, done.stderr
    names = json.loads((folder / "work/models/ranker_kraft/ranker.json").read_text(encoding="utf-8"))["feature_names"]
    assert not {"daily_days", "margin"} & set(names)
    assert "item_rate" in names
    done = run("train", "--raw", "raw", "--without", "weather", cwd=folder)
    assert done.returncode == 2
    assert "weather" in done.stderr


@pytest.mark.slow
def test_the_datasets_own_protocol(folder):
    options = ("--raw", "raw", "--work", "own", "--protocol", "big-to-small")
    done = run("score", *options, "--rounds", 5, "--out", "own.parquet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "interactions of big_matrix to learn from, the pairs of small_matrix to test on" in done.stdout
    small, big = (pl.read_csv(folder / "raw" / f"{name}_matrix.csv") for name in ("small", "big"))
    pairs = small.select("user_id", item_id="video_id").unique().join(big, on="user_id", how="semi")
    scored = pl.read_parquet(folder / "own.parquet").select("user_id", "item_id")
    assert scored.equals(pairs.sort("user_id", "item_id").cast(pl.Int32))
    assert table(folder, "interactions_train", "own").height == table(folder, "interactions", "own").height


@pytest.mark.slow
def test_a_test_pair_in_the_log_to_learn_from_is_a_leak(folder):
    shutil.copytree(folder / "raw", folder / "leak")
    with (folder / "leak" / "small_matrix.csv").open(encoding="utf-8") as file:
        stolen = file.readlines()[1].replace(".0,", ",", 1)
    with (folder / "leak" / "big_matrix.csv").open("a", encoding="utf-8") as file:
        file.write(stolen)
    done = run("build_features", "--raw", "leak", "--work", "leaky", "--protocol", "big-to-small", cwd=folder)
    assert done.returncode == 2
    assert "no pair of the log to test on may be in the log to learn from" in done.stderr
