"""`jobs.recommend` as a user types it: lists for everybody, for some, of some, of strangers; what is refused."""

import json

import polars as pl
import pytest
from commands import run

pytestmark = pytest.mark.slow

USERS, ITEMS = 40, 120
ROUNDS = ("--rounds", "5", "--raw", "synthetic", "--threads", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with small synthetic data and the lists of every user in it."""
    folder = tmp_path_factory.mktemp("lists")
    done = run("synthesize", "--to", "synthetic", "--users", USERS, "--items", ITEMS, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    done = run("recommend", "--out", "lists.parquet", "--candidates", 50, *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "recommend  " in done.stdout
    assert list((folder / "work" / "tmp").iterdir()) == []
    return folder


def lists_of(path):
    """user_id -> item_ids in the order of the ranks; the file's own order is checked."""
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    assert frame.columns == ["user_id", "rank", "item_id", "score", "sources"]
    assert frame.equals(frame.sort("user_id", "rank"))
    assert frame["score"].is_between(0, 1).all()
    lists = {}
    for user, rank, item in frame.select("user_id", "rank", "item_id").iter_rows():
        lists.setdefault(user, []).append(item)
        assert rank == len(lists[user])
    return lists


def table(folder, name):
    return pl.read_parquet(folder / "work" / "tables" / f"{name}.parquet")


def seen_by(folder):
    seen = {}
    for user, item in table(folder, "interactions_train").select("user_id", "item_id").iter_rows():
        seen.setdefault(user, set()).add(item)
    return seen


def test_every_user_gets_ten_new_videos(folder):
    lists = lists_of(folder / "lists.parquet")
    seen = seen_by(folder)
    assert lists.keys() == seen.keys()
    catalogue = set(table(folder, "catalogue")["item_id"])
    for user, items in lists.items():
        assert len(set(items)) == len(items) == min(10, len(catalogue - seen[user]))
        assert not seen[user] & set(items)
        assert set(items) <= catalogue


def test_scores_are_those_of_the_ranker_for_these_pairs(folder):
    lists = pl.read_parquet(folder / "lists.parquet")
    lists.select("user_id", "item_id").write_csv(folder / "pairs.csv")
    done = run("score", "--pairs", "pairs.csv", "--out", "pairs.parquet", *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(folder / "pairs.parquet")["score"].to_list() == lists["score"].to_list()
    ranked = lists.with_columns(best=pl.col("score").cum_min().over("user_id"))
    assert ranked["best"].equals(ranked["score"], check_names=False)


def test_all_candidates_are_never_worse_and_repeat_bit_for_bit(folder):
    for name in ("all", "again"):
        arguments = ("--candidates", "all", "--include-seen", "--out", f"{name}.parquet")
        done = run("recommend", *arguments, *ROUNDS, "--threads", 1 if name == "again" else 2, cwd=folder)
        assert done.returncode == 0, done.stderr
    assert (folder / "all.parquet").read_bytes() == (folder / "again.parquet").read_bytes()
    assert {len(items) for items in lists_of(folder / "all.parquet").values()} == {10}
    best = dict(pl.read_parquet(folder / "all.parquet").group_by("user_id").agg(pl.col("score").min()).iter_rows())
    some = dict(pl.read_parquet(folder / "lists.parquet").group_by("user_id").agg(pl.col("score").min()).iter_rows())
    assert all(
        best[user] >= score for user, score in some.items() if len(lists_of(folder / "lists.parquet")[user]) == 10
    )


def test_some_users_and_some_items(folder):
    lists = lists_of(folder / "lists.parquet")
    user = max(lists)
    items = sorted(table(folder, "catalogue")["item_id"])[::2]
    (folder / "users.csv").write_text(f"user_id\n{user}\n{user}\n", encoding="utf-8")
    pl.DataFrame({"video_id": items}).write_parquet(folder / "items.parquet")
    arguments = ("--users", "users.csv", "--items", "items.parquet", "--top", 3, "--out", "some.csv")
    done = run("recommend", *arguments, *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "dropped 1 repeated ids of --users" in done.stdout
    assert "for 1 user ->" in done.stdout
    some = lists_of(folder / "some.csv")
    assert list(some) == [user]
    assert set(some[user]) <= set(items) - seen_by(folder)[user]


def test_a_stranger_is_an_error_or_gets_popular_and_new_videos(folder):
    (folder / "strangers.csv").write_text("user_id\n999999\n", encoding="utf-8")
    arguments = ("--users", "strangers.csv", "--out", "strangers.parquet", *ROUNDS)
    refused = run("recommend", *arguments, cwd=folder)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0] == (
        "error: strangers.csv: 1 of 1 users (the first: user_id 999999) is not in the train period"
    )
    assert not (folder / "strangers.parquet").exists()
    done = run("recommend", *arguments, "--cold-users", "popular", cwd=folder)
    assert done.returncode == 0, done.stderr
    sources = set(pl.read_parquet(folder / "strangers.parquet")["sources"])
    assert sources <= {"popular", "new", "popular+new"}


def test_diversity_changes_the_order_not_the_first(folder):
    arguments = ("--candidates", 50, "--diversity", 0.8, "--out", "diverse.parquet", *ROUNDS)
    done = run("recommend", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    diverse, plain = lists_of(folder / "diverse.parquet"), lists_of(folder / "lists.parquet")
    assert {user: items[0] for user, items in diverse.items()} == {user: items[0] for user, items in plain.items()}
    assert diverse != plain


@pytest.mark.parametrize("preset", ["kraft", "documented"])
def test_both_stages_are_evaluated(folder, preset):
    arguments = ("--candidates", 50, "--evaluate", "--out", f"{preset}.csv", "--preset", preset)
    done = run("recommend", *arguments, *ROUNDS, cwd=folder)
    assert done.returncode == 0, done.stderr
    for words in ("recall of candidates", "what each adds to it", "NDCG@10", "coverage", "in the first too"):
        assert words in done.stdout
    assert ("watch time  " in done.stdout) == (preset == "kraft")
    report = json.loads((folder / "work" / "recommendations.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in report["lists"]] == ["of 50 candidates", "of every video"]
    assert 0 <= report["loss"]["overlap"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users", "nowhere.csv"], "--users nowhere.csv: no such file"),
        (["--candidates", 5], "--candidates 5: fewer than the 10 videos of a list"),
        (["--evaluate", "--users", "users.csv"], "--evaluate needs the lists of every user"),
        (["--json-out", "x.json"], "--json-out is for the metrics of --evaluate"),
        (["--diversity", "2"], "--diversity 2: input should be less than or equal to 1"),
    ],
)
def test_what_is_refused(folder, arguments, message):
    (folder / "users.csv").write_text("user_id\n1\n", encoding="utf-8")
    done = run("recommend", "--out", "refused.parquet", *arguments, *ROUNDS, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"error: {message}"
    assert not (folder / "refused.parquet").exists()
