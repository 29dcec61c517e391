"""What needs more rows than a case: the cut of watch times, and which videos are held out."""

from statistics import fmean

import duckdb
import pytest
from sql_schemas import create_empty

from kraft.engine.sql.queries import all_queries


def rows_of(table, parameters, **inputs):
    """A table of `sql/`; each input is given as rows of column values, and lacks the columns that are NULL."""
    query = all_queries()[table]
    with duckdb.connect() as connection:
        for name in query.inputs:
            create_empty(connection, name)
            for row in inputs[name]:
                marks = ", ".join("?" * len(row))
                connection.execute(f"insert into {name} ({', '.join(row)}) values ({marks})", list(row.values()))
        result = connection.execute(query.text, parameters)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def watch_times(durations, held_out_share=0.0):
    """Video `n` was watched once, for `durations[n]` ms, by user 0."""
    return rows_of(
        "watch_times",
        {"held_out_share": held_out_share},
        interactions_train=[
            {
                "user_id": 0,
                "item_id": number,
                "play_duration": duration,
                "watch_ratio": 0.5,
                "positive_interaction": False,
            }
            for number, duration in enumerate(durations)
        ],
        user_index=[{"user_id": 0, "user_index": 0}],
        video_details=[{"item_id": number, "video_index": number} for number in range(len(durations))],
    )


def test_times_beyond_a_hundredth_on_either_side_are_cut():
    # One of 202 on either side is less than a hundredth; the step of 2 % around the others, e^2 s, is what is left.
    times = [row["log_time"] for row in watch_times([1, *[7389] * 200, 10_000_000])]
    assert times[0] == pytest.approx(2.0 - 0.02, abs=0.02)
    assert times[1:-1] == pytest.approx([2.0] * 200, abs=1e-4)
    assert times[-1] == pytest.approx(2.0 + 0.02, abs=0.02)
    assert times[-1] - times[0] == pytest.approx(0.02, abs=1e-8)


def test_times_of_a_hundredth_on_either_side_are_not_cut():
    # Five of 210 are more than a hundredth.
    times = [row["log_time"] for row in watch_times([1] * 5 + [7389] * 200 + [10_000_000] * 5)]
    assert min(times) == pytest.approx(-6.907755, abs=1e-6)
    assert max(times) == pytest.approx(9.210340, abs=1e-6)


@pytest.mark.slow
def test_a_larger_share_holds_out_the_same_videos_and_more():
    kept = [{row["item_id"] for row in watch_times([1000] * 1009, share)} for share in (0.0, 0.1, 0.3, 1.0)]
    assert [len(items) for items in kept] == [1009, 1009 - 101, 1009 - 303, 0]
    assert kept[0] > kept[1] > kept[2] > kept[3]


def test_the_daily_counts_hold_out_three_quarters_of_the_same_videos():
    videos = range(1009)
    daily = rows_of(
        "daily_stats",
        {"held_out_share": 0.4},
        item_daily=[{"item_id": video, "date": 20200701, "shows": 1, "plays": 1} for video in videos],
        interactions_train=[{"user_id": 0, "item_id": 0, "date": 20200702}],
    )
    in_daily = {row["item_id"] for row in daily}
    in_history = {row["item_id"] for row in watch_times([1000] * 1009, 0.4)}
    assert in_history < in_daily
    assert len(videos) - len(in_daily) == pytest.approx(0.3 * 1009, abs=1)
    assert len(videos) - len(in_history) == pytest.approx(0.4 * 1009, abs=1)


def smoothed(groups):
    """Rates of videos with these (interactions, positives)."""
    totals = [
        {"item_id": number, "interactions": n, "positives": positives, "ratio_millis": 500 * n}
        for number, (n, positives) in enumerate(groups)
    ]
    return [row["rate"] for row in rows_of("smoothed_rates", {}, watch_times=[], item_stats=totals)]


@pytest.mark.parametrize("n", [10, 1000])
def test_groups_that_differ_no_more_than_chance_has_them_go_to_their_mean(n):
    # They are further apart at random: a group of 2n draws has a standard deviation of sqrt(n / 2).
    groups = [(2 * n, n - 1), (2 * n, n), (2 * n, n), (2 * n, n + 1)]
    assert smoothed(groups) == pytest.approx([0.5] * 4, abs=1e-3)


def test_large_groups_far_apart_keep_their_own_rates():
    groups = [(75_000_000, 7_500_000), (75_000_000, 67_500_000), (40_000_000, 20_000_000)]
    assert smoothed(groups) == pytest.approx([0.1, 0.9, 0.5], abs=1e-6)


def test_a_small_group_among_large_ones_goes_towards_the_mean():
    rates = smoothed([(1000, 200), (1000, 400), (1000, 300), (2, 2)])
    assert rates[:3] == pytest.approx([0.2, 0.4, 0.3], abs=0.01)
    assert fmean(rates[:3]) < rates[3] < 0.5
