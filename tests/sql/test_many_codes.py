"""More different values than a short number holds, and counts whose sums are longer than a decimal number."""

import csv

import numpy as np
import polars as pl
import pytest
from small_log import log_rows, run_build, write_raw

from kraft.columns import ONEHOT_FEATURES
from kraft.engine.workspace.store import Store
from kraft.logs.contracts import OPTIONAL

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


@pytest.mark.parametrize(("progress", "known"), [(9e14, None), (0.5, 0.5)])
def test_sums_of_the_greatest_daily_counts_fit(tmp_path, progress, known):
    raw = write_raw(tmp_path / "raw", log_rows())
    columns = OPTIONAL[0].columns
    with (raw / "item_daily_features.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for day in range(200):
            text = {"video_type": "NORMAL", "upload_dt": "2019-01-01", "upload_type": "Web", "date": 20190101 + day}
            numbers = {name: 9e14 for name, kind in columns.items() if kind == "DOUBLE"}
            ids = {"video_id": 10, "author_id": 2**53 - 1, "video_tag_id": 2**53 - 1}
            writer.writerow(numbers | text | ids | {"play_progress": progress})
    run_build(raw, tmp_path / "work", tables=["daily_stats"], preset="kraft")
    totals = pl.read_parquet(Store(tmp_path / "work").table("daily_stats")).row(0, named=True)
    assert totals["daily_days"] == 200
    assert totals["daily_shows"] == pytest.approx(np.log(200 * 9e14))
    assert totals["daily_progress"] == known
