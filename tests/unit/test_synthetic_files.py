"""What `synthesize` writes, file by file."""

import re
from pathlib import Path

import polars as pl
import pytest

from kraft.engine.process.progress import Progress
from kraft.errors import InputError
from kraft.logs.synthetic import synthesize
from kraft.logs.synthetic.writing import write_blocks

REAL = Path(__file__).parents[3] / "shared" / "data" / "kuairec"
QUIET = Progress(-1)


def read(path, stem):
    return pl.read_csv(path / f"{stem}.csv", infer_schema_length=None)


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    to = tmp_path_factory.mktemp("synthetic")
    summary = synthesize(to, users=60, items=150, progress=QUIET)
    assert summary.taken == ()
    assert {stem: len(read(to, stem)) for stem in summary.rows} == summary.rows
    return to


def test_small_matrix_has_nearly_every_pair_once(synthetic):
    log = read(synthetic, "small_matrix")
    assert log["user_id"].n_unique() == 60
    assert log["video_id"].n_unique() == 150
    assert not log.select("user_id", "video_id").is_duplicated().any()
    assert 0.98 < len(log) / (60 * 150) <= 1


def test_ratios_are_the_full_precision_quotients_and_times_the_same_moment(synthetic):
    for stem in ("small_matrix", "big_matrix"):
        log = read(synthetic, stem)
        assert (log["watch_ratio"] == log["play_duration"] / log["video_duration"]).all()
        timed = log.drop_nulls("timestamp")
        assert timed["time"].str.contains(r"^2020-0[789]-\d\d \d\d:\d\d:\d\d\.\d{3}$").all()
        local = timed["time"].str.to_datetime("%Y-%m-%d %H:%M:%S%.3f")
        assert (local.dt.epoch("ms") == ((timed["timestamp"] + 8 * 3_600) * 1_000).round()).all()
        day = timed["time"].str.slice(0, 10).str.replace_all("-", "").cast(pl.Float64)
        assert (timed["date"] == day).all()
        assert log["time"].is_null().equals(log["timestamp"].is_null())


def test_big_matrix_repeats_rows_and_pairs_and_knows_no_pair_of_small_matrix(synthetic):
    small, big = read(synthetic, "small_matrix"), read(synthetic, "big_matrix")
    pairs = big.select("user_id", "video_id")
    assert big.is_duplicated().any()
    assert big.unique().select("user_id", "video_id").is_duplicated().any(), "re-watches"
    grid = small.select("user_id").unique().join(small.select("video_id").unique(), how="cross")
    assert pairs.join(grid, on=["user_id", "video_id"]).is_empty()
    assert set(small["user_id"]) < set(big["user_id"])


def test_nothing_is_watched_or_counted_before_its_upload(synthetic):
    daily = read(synthetic, "item_daily_features")
    uploaded = pl.col("upload_dt").str.replace_all("-", "").cast(pl.Int64)
    assert daily.select((uploaded <= pl.col("date")).all()).item()
    uploads = daily.select("video_id", uploaded=uploaded).unique()
    assert not uploads["video_id"].is_duplicated().any()
    for stem in ("small_matrix", "big_matrix"):
        met = read(synthetic, stem).drop_nulls("date").join(uploads, on="video_id")
        assert (met["uploaded"] <= met["date"]).all()


def test_daily_rows_that_share_a_key_differ_in_their_tag_alone(synthetic):
    daily = read(synthetic, "item_daily_features")
    assert daily.width == 58
    keys = ["video_id", "date"]
    assert daily.select(keys).is_duplicated().mean() == pytest.approx(0.66, abs=0.1)
    assert not daily.select(*keys, "video_tag_id").is_duplicated().any()
    assert daily.drop("video_tag_id", "video_tag_name").unique().select(keys).is_duplicated().sum() == 0
    assert 0 < daily["collect_cnt"].is_null().mean() < 1
    assert set(daily["video_type"]) <= {"NORMAL", "AD"}


def test_a_days_statistics_tell_which_videos_are_watched_to_their_end(synthetic):
    rate = read(synthetic, "small_matrix").group_by("video_id").agg(rate=(pl.col("watch_ratio") >= 1).mean())
    daily = (
        read(synthetic, "item_daily_features")
        .group_by("video_id")
        .agg(told=pl.col("complete_play_cnt").sum() / pl.col("play_cnt").sum())
    )
    assert rate.join(daily, on="video_id").select(pl.corr("rate", "told")).item() > 0.8


def test_friends_know_of_each_other_and_think_alike(synthetic):
    friends = read(synthetic, "social_network")
    lists = friends["friend_list"].str.json_decode(pl.List(pl.Int64))
    assert friends["friend_list"].str.contains(r"^\[\d+(, \d+)*\]$").all()
    users = set(read(synthetic, "user_features")["user_id"])
    assert set(lists.explode()) <= users
    assert not any(user in known for user, known in zip(friends["user_id"], lists, strict=True))


def test_captions_and_categories_are_written_as_kuairec_does(synthetic):
    assert re.search(rb'\n\d+,"\[\d+, \d+\]"', (synthetic / "item_categories.csv").read_bytes())
    assert re.search(rb"\n\d+,\[\d+\]\n", (synthetic / "item_categories.csv").read_bytes())
    captions = read(synthetic, "kuairec_caption_category")
    assert captions["caption"].str.contains("\r").sum() == 4
    assert captions["caption"].null_count() > 0
    assert (captions["third_level_category_id"] == -124).any()
    assert ((captions["third_level_category_id"] == -124) == (captions["third_level_category_name"] == "UNKNOWN")).all()


def test_ranges_hold_their_numbers(synthetic):
    users = read(synthetic, "user_features")
    for name, zero, some in (("fans_user_num", "0", "[1,10)"), ("follow_user_num", "0", "(0,10]")):
        assert (users.filter(pl.col(f"{name}_range") == zero)[name] == 0).all()
        assert users.filter(pl.col(f"{name}_range") == some)[name].is_between(1, 10).all()
    assert users["onehot_feat12"].is_null().equals(users["onehot_feat17"].is_null())


def test_the_rest_of_synthetic_data_does_not_depend_on_a_given_table(synthetic, tmp_path):
    side = tmp_path / "side"
    side.mkdir()
    for stem in ("user_features", "item_categories", "kuairec_caption_category"):
        (side / f"{stem}.csv").write_bytes((synthetic / f"{stem}.csv").read_bytes())
    summary = synthesize(tmp_path / "b", users=60, items=150, side_tables_from=side, progress=QUIET)
    assert set(summary.taken) == {"user_features", "item_categories", "kuairec_caption_category"}
    for stem in summary.taken:
        assert (tmp_path / "b" / f"{stem}.csv").read_bytes() == (synthetic / f"{stem}.csv").read_bytes()
    assert {path.name for path in (tmp_path / "b").iterdir()} == {path.name for path in synthetic.iterdir()}


def test_given_users_and_videos_need_not_be_numbered_from_zero(tmp_path):
    side = tmp_path / "side"
    side.mkdir()
    users = pl.DataFrame({"user_id": [1_000 - 7 * number for number in range(20)]})
    users.write_csv(side / "user_features.csv")
    lengths = {50 + 3 * number: 4_000.0 + number for number in range(60)}
    pl.DataFrame(
        {"video_id": list(lengths), "date": 20_200_705, "video_duration": list(lengths.values())}
    ).write_parquet(side / "item_daily_features.parquet")
    # All of them: no video is left for big_matrix to show to a user of small_matrix.
    synthesize(tmp_path / "synthetic", users=10, items=60, side_tables_from=side, file_format="parquet", progress=QUIET)
    small, big = (pl.read_parquet(tmp_path / "synthetic" / f"{stem}_matrix.parquet") for stem in ("small", "big"))
    assert set(small["user_id"]) < set(users["user_id"])
    assert set(big["user_id"]) == set(users["user_id"]) - set(small["user_id"])
    assert dict(small.select("video_id", "video_duration").unique().iter_rows()) == lengths
    feats = pl.read_parquet(tmp_path / "synthetic" / "item_categories.parquet")
    assert feats["video_id"].to_list() == sorted(lengths)
    assert pl.read_parquet(tmp_path / "synthetic" / "user_features.parquet").equals(users)


def test_given_categories_decide_what_is_liked(tmp_path):
    side = tmp_path / "side"
    side.mkdir()
    pl.DataFrame({"video_id": range(200), "feat": ["[3]"] * 100 + ["[4]"] * 100}).write_csv(
        side / "item_categories.csv"
    )
    synthesize(tmp_path / "synthetic", users=80, items=200, side_tables_from=side, progress=QUIET)
    log = read(tmp_path / "synthetic", "small_matrix").with_columns(first=pl.col("video_id") < 100)
    seconds = pl.col("play_duration").clip(1).log()
    gap = log.group_by("user_id").agg(
        gap=seconds.filter("first").mean() - seconds.filter(~pl.col("first")).mean(),
        noise=(seconds.var() / pl.len() * 4).sqrt(),
    )
    # Were the categories without meaning, users would differ in the gap by its standard error alone.
    assert gap["gap"].std() > 1.3 * gap["noise"].mean()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("user_features.csv", "id\n1\n", "user_features.csv: "),
        ("user_features.csv", "user_id\n1\n1\n", "column user_id: 1 occurs twice"),
        ("user_features.csv", "user_id\n1\nabc\n", "user_features.csv: "),
        ("item_categories.csv", "video_id,feat\n-1,[2]\n", "column video_id: an id is empty or negative"),
        ("item_categories.csv", "video_id,feat\n1,[2]\n", "--items 50: the given side tables know only 1"),
        ("user_features.csv", "user_id\n1\n", "--users 10 x --scale 2: the given side tables know only 1"),
        ("notes.txt", "", "none of KuaiRec's side tables"),
    ],
)
def test_side_tables_that_cannot_be_used_are_refused(tmp_path, name, text, problem):
    side = tmp_path / "side"
    side.mkdir()
    (side / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(problem)):
        synthesize(tmp_path / "synthetic", users=10, items=50, scale=2, side_tables_from=side, progress=QUIET)
    assert not (tmp_path / "synthetic").exists()


def test_a_missing_folder_of_side_tables_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        synthesize(tmp_path / "synthetic", users=10, items=50, side_tables_from=tmp_path / "none", progress=QUIET)


def test_two_formats_in_one_folder_are_refused(tmp_path):
    synthesize(tmp_path, users=10, items=50, progress=QUIET)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"user_features\.csv is there"):
        synthesize(tmp_path, users=10, items=50, file_format="parquet", progress=QUIET)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_file_that_is_not_finished_is_not_there(tmp_path, file_format):
    def broken():
        yield pl.DataFrame({"a": [1]})
        raise OSError("disk full")

    with QUIET.task("synthetic") as task, pytest.raises(OSError, match="disk full"):
        write_blocks(broken(), tmp_path, "small_matrix", file_format, task)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not REAL.is_dir(), reason="KuaiRec's real side tables are not on this machine")
def test_made_up_tables_have_the_columns_of_the_real_ones(synthetic):
    for stem in ("user_features", "item_categories", "kuairec_caption_category"):
        assert read(synthetic, stem).columns == read(REAL, stem).columns
