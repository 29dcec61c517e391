"""Logs that a description explains, through the commands as a user types them."""

import gzip
import json
import random

import duckdb
import polars as pl
import pytest
from commands import run

from kraft.columns import NUMERICAL_FEATURES, ONEHOT_FEATURES

pytestmark = pytest.mark.slow

SETTINGS = ("--rounds", "20", "--quiet")
ATTRIBUTES = ("user_active_degree", *NUMERICAL_FEATURES, *ONEHOT_FEATURES)
RENAMED = f"""
[interactions]
files = "part-*.csv.gz"
user = "person"
item = "thing"
time = "moment / 1000"
label = "ratio >= 1"
watch_time = "seen_ms"
length = "length_s * 1000"

[users]
files = "people.csv"
key = "user_id"
attributes = {json.dumps(ATTRIBUTES)}

[items]
files = "things.csv"
key = "name"
categories = "kinds"
"""


def done(folder, job, *arguments):
    result = run(job, *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def assert_close(one, other):
    """The same to nine decimals."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_close(one[name], other[name])
    elif isinstance(one, list):
        for pair in zip(one, other, strict=True):
            assert_close(*pair)
    else:
        assert other == (pytest.approx(one, abs=1e-9) if isinstance(one, float) else one)


def renamed(raw, folder):
    """KuaiRec's files under other names, with texts for ids, shuffled, in ten packed parts."""
    folder.mkdir()
    log = pl.read_csv(raw / "small_matrix.csv", infer_schema_length=None)
    rows = log.select(
        person=pl.format("p{}", pl.col("user_id")),
        thing=pl.format("t-{}", pl.col("video_id")),
        seen_ms=pl.col("play_duration"),
        length_s=pl.col("video_duration") / 1000,
        moment=pl.col("timestamp") * 1000,
        ratio=pl.col("watch_ratio"),
    ).sample(fraction=1, shuffle=True, seed=3)
    for number in range(10):
        part = rows[number * len(rows) // 10 : (number + 1) * len(rows) // 10]
        (folder / f"part-{number}.csv.gz").write_bytes(gzip.compress(part.write_csv().encode()))
    users = pl.read_csv(raw / "user_features.csv", infer_schema_length=None)
    users.with_columns(user_id=pl.format("p{}", pl.col("user_id"))).reverse().write_csv(folder / "people.csv")
    items = pl.read_csv(raw / "item_categories.csv")
    items.select(name=pl.format("t-{}", pl.col("video_id")), kinds="feat").reverse().write_csv(folder / "things.csv")


@pytest.mark.parametrize("preset", ["kraft", pytest.param("documented", marks=pytest.mark.long)])
def test_other_names_text_ids_and_parts_change_nothing(preset, tmp_path):
    done(tmp_path, "synthesize", "--users", 80, "--items", 150, "--to", "all", "--quiet")
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("small_matrix", "user_features", "item_categories"):
        (tmp_path / "all" / f"{name}.csv").rename(raw / f"{name}.csv")
    renamed(raw, tmp_path / "other")
    (tmp_path / "log.toml").write_text(RENAMED, encoding="utf-8")
    metrics, lists = [], []
    for work, log in (("a", ("--raw", "raw")), ("b", ("--log", "log.toml", "--raw", "other"))):
        given = (*log, "--work", work, "--preset", preset, *SETTINGS)
        done(tmp_path, "evaluate", *given)
        done(tmp_path, "recommend", *given, "--out", f"{work}.csv")
        report = json.loads((tmp_path / work / "evaluation.json").read_text(encoding="utf-8"))
        metrics.append(report["score_sets"])
        lists.append(pl.read_csv(tmp_path / f"{work}.csv"))
    assert_close(*metrics)
    known, own = lists
    assert set(own["user_id"].str.slice(0, 1)) == {"p"}
    assert own.with_columns(
        pl.col("user_id").str.strip_prefix("p").cast(pl.Int64), pl.col("item_id").str.strip_prefix("t-").cast(pl.Int64)
    ).equals(known)


def ratings():
    """(user, movie, rating, time) of 80 users, who like different halves of 60 movies."""
    draw = random.Random(1)
    time, rows = 978_300_000, []
    for _ in range(3000):
        user, movie = draw.randrange(80), int(60 * draw.random() ** 1.5)
        time += draw.randrange(400)
        rows.append((user + 1, movie + 1, min(5, max(1, round(3 + draw.gauss(0, 1) + (movie % 2 == user % 2)))), time))
    return rows


def write_100k(folder):
    (folder / "u.data").write_text("".join("\t".join(map(str, row)) + "\n" for row in ratings()), encoding="utf-8")
    lines = []
    for movie in range(1, 61):
        flags = [str(int(number in {movie % 19, 5})) for number in range(19)]
        lines.append("|".join([str(movie), f"Amélie {movie} (1995)", "01-Jan-1995", "", "http://us", *flags]))
    (folder / "u.item").write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def write_1m(folder):
    (folder / "ratings.dat").write_text("".join("::".join(map(str, row)) + "\n" for row in ratings()), encoding="utf-8")
    lines = [f"{movie}::Amélie {movie} (1995)::{'Comedy|' * (movie % 2)}Drama" for movie in range(1, 61)]
    (folder / "movies.dat").write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def write_20m(folder):
    rows = ["userId,movieId,rating,timestamp", *(",".join(map(str, row)) for row in ratings())]
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    titles = [f'{movie},"Amélie, {movie} (1995)",Comedy|Drama' for movie in range(1, 60)]
    titles.append("60,Other (1996),(no genres listed)")
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *titles]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("write", [write_100k, write_20m])
def test_every_layout_of_movielens_is_scored(write, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw)
    done(tmp_path, "score", "--log", "movielens", "--raw", "raw", *SETTINGS, "--out", "scores.csv")
    scores = pl.read_csv(tmp_path / "scores.csv")
    assert scores["user_id"].is_between(1, 80).all()
    assert scores["item_id"].is_between(1, 60).all()


def test_movielens_runs_through_every_job(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_1m(raw)
    given = ("--log", "movielens", "--raw", "raw", *SETTINGS)
    told = done(tmp_path, "score", "--log", "movielens", "--raw", "raw", "--rounds", 20, "--out", "scores.csv")
    assert "without watch-time, length, watch-ratio: the log has no columns for these features" in told
    scores = pl.read_csv(tmp_path / "scores.csv")
    assert scores["user_id"].is_between(1, 80).all()
    assert scores["item_id"].is_between(1, 60).all()
    done(tmp_path, "evaluate", *given, "--html", "scores.md", "--format", "markdown")
    report = json.loads((tmp_path / "work/evaluation.json").read_text(encoding="utf-8"))
    assert "shortest first" not in {one["name"] for one in report["score_sets"]}
    done(tmp_path, "recommend", *given, "--evaluate", "--out", "lists.csv")
    done(tmp_path, "explore", *given, "--format", "markdown", "--out", "data.md")
    explained = done(tmp_path, "explain", *given, "--user", 80, "--top", 2, "--json-out", "why.json")
    assert explained.startswith("user 80, video ")
    first = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["explanations"][0]
    listed = pl.read_csv(tmp_path / "lists.csv").filter(pl.col("user_id") == 80)
    assert first["item_id"] == listed.sort("rank")["item_id"][0]
    words = (tmp_path / "data.md").read_text(encoding="utf-8") + (tmp_path / "scores.md").read_text(encoding="utf-8")
    # Queries are told as they are; what is said about them names nothing that the log has not.
    said = "\n".join(block for number, block in enumerate(words.split("```")) if number % 2 == 0)
    assert "watch ratio" not in said.lower()
    assert "Amélie" in said


def test_files_that_a_user_gives_have_the_logs_own_ids(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_1m(raw)
    text = (raw / "ratings.dat").read_text(encoding="utf-8").splitlines()
    rows = [row.split("::") for row in text]
    (raw / "ratings.csv").write_text(
        "who,what,stars,at\n" + "".join(f"u-{user},{movie:0>4},{stars},{at}\n" for user, movie, stars, at in rows),
        encoding="utf-8",
    )
    (tmp_path / "log.toml").write_text(
        '[interactions]\nfiles = "ratings.csv"\nuser = "who"\nitem = "what"\ntime = "at"\nlabel = "stars >= 4"\n',
        encoding="utf-8",
    )
    given = ("--log", "log.toml", "--raw", "raw", *SETTINGS)
    done(tmp_path, "build_features", *given[:-3], "--quiet")
    with duckdb.connect(tmp_path / "work/kraft.duckdb", read_only=True) as catalog:
        seen = catalog.execute("select distinct user_id from interactions_train order by length(user_id), 1").fetchall()
        met = catalog.execute("select item_id from interactions where user_id = 'u-3' order by timestamp").fetchall()
    assert seen == [(f"u-{number}",) for number in range(1, 81)]
    assert met == [(f"{row[1]:0>4}",) for row in rows if row[0] == "3"]
    (tmp_path / "pairs.csv").write_text("user_id,item_id\nu-3,0007\nnobody,0002\nu-80,9999\n", encoding="utf-8")
    done(tmp_path, "score", *given, "--pairs", "pairs.csv", "--out", "scored.csv")
    scored = pl.read_csv(tmp_path / "scored.csv", schema_overrides={"item_id": pl.String})
    assert scored["user_id"].to_list() == ["u-3", "nobody", "u-80"]
    assert scored["item_id"].to_list() == ["0007", "0002", "9999"]
    assert scored["score"].is_between(0, 1).all()
    (tmp_path / "users.csv").write_text("user_id\nu-5\nu-4\n", encoding="utf-8")
    (tmp_path / "items.csv").write_text("item_id\n0001\n0002\n0003\n0004\n0005\n", encoding="utf-8")
    asked = ("--users", "users.csv", "--items", "items.csv", "--include-seen", "--top", 3, "--out", "lists.csv")
    done(tmp_path, "recommend", *given, *asked)
    lists = pl.read_csv(tmp_path / "lists.csv", schema_overrides={"item_id": pl.String})
    assert set(lists["user_id"]) == {"u-4", "u-5"}
    assert set(lists["item_id"]) <= {"0001", "0002", "0003", "0004", "0005"}
    (tmp_path / "users.csv").write_text("user_id\nu-5\nstranger\n", encoding="utf-8")
    refused = run("recommend", *given, *asked, cwd=tmp_path)
    assert refused.returncode == 2
    assert "1 of 2 users (the first: user_id stranger) is not in the train period" in refused.stderr
    refused = run("explain", *given, "--user", "stranger", "--top", 1, cwd=tmp_path)
    assert refused.returncode == 2
    done(tmp_path, "score", *given, "--out", "one.csv")
    done(tmp_path, "evaluate", *given, "--compare", "one.csv", "kraft")
    compared = json.loads((tmp_path / "work/comparison.json").read_text(encoding="utf-8"))
    assert all(metric["difference"] in {0, None} for metric in compared["metrics"].values())


def test_an_output_is_not_one_of_the_logs_files(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_20m(raw)
    before = (raw / "ratings.csv").read_bytes()
    refused = run("score", "--log", "movielens", "--raw", "raw", "--out", "raw/ratings.csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert "this is an input (--log)" in refused.stderr
    assert (raw / "ratings.csv").read_bytes() == before


def test_the_test_period_may_begin_at_a_day(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    write_20m(raw)
    given = ("--log", "movielens", "--raw", "raw", *SETTINGS)
    done(tmp_path, "score", *given, "--test-from", "2001-01-05", "--out", "scores.csv")
    test, train = (pl.read_parquet(tmp_path / f"work/tables/interactions_{name}.parquet") for name in ("test", "train"))
    day = 978_624_000
    assert train["timestamp"].max() < day <= test["timestamp"].min()
    refused = run("score", *given, "--test-from", "2031-01-05", "--out", "scores.csv", cwd=tmp_path)
    assert refused.returncode == 2
    assert "the test period must hold at least 1 interaction" in refused.stderr
    assert "Give an earlier --test-from." in refused.stderr
