"""More different values than a short number holds: of a user's category, and of the categories of a video."""

import csv

import polars as pl
from small_log import log_rows, run_build, write_raw

from kraft.columns import ONEHOT_FEATURES
from kraft.engine.store import Store

MANY = 40_000
"""More than 32,767."""


def test_user_codes_and_category_lists_may_be_longer_than_a_short_number(tmp_path):
    raw = write_raw(tmp_path / "raw", log_rows(), users=range(MANY))
    path = raw / "user_features.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        # The first users, who are in the log, have the greatest values.
        number = MANY - int(row["user_id"])
        row.update(user_active_degree=f"class {number:06}", onehot_feat0=1e9 + number)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    videos = (raw / "item_categories.csv").read_text(encoding="utf-8")
    long_list = ", ".join(map(str, range(MANY)))
    (raw / "item_categories.csv").write_text(videos.replace("10, 8", long_list), encoding="utf-8")

    run_build(raw, tmp_path / "work", tables=["ranker_train", "ranker_test"])

    train = pl.read_parquet(Store(tmp_path / "work").table("ranker_train"))
    by_user = dict(train.select("user_id", "onehot_feat0").iter_rows())
    assert by_user == {user: MANY - user for user in range(6)}
    assert train["user_active_degree"].to_list() == train["onehot_feat0"].to_list()
    assert train.filter(pl.col("item_id") == 10)["num_categories"].unique().to_list() == [MANY]
    assert train["num_categories"].max() == MANY
    assert set(ONEHOT_FEATURES) <= set(train.columns)
