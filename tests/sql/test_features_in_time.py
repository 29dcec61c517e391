"""What happens later does not move the features of a pair: neither in the test period, nor behind the second cut."""

import polars as pl
import pytest
from small_log import Row, write_raw

from kraft.columns import POSITIVE_INTERACTION, TIMESTAMP
from kraft.settings import Settings
from kraft.stages.build_tables import build_tables
from kraft.stages.table_records import BuildTables

pytestmark = pytest.mark.slow

COUNT, TRAIN, HISTORY = 200, 160, 96
"""Interactions, those before the cut, and of these, those that the ranker's features are made of."""
KEY = ["user_id", "item_id"]
DAYS = range(20200701, 20200716)


def log():
    """An interaction an hour, from midnight of 5 July 2020 in UTC+8 on."""
    return [
        Row(
            user_id=number * number % 11,
            video_id=10 + number % 7,
            play_duration=3_000 + 1_000 * (number % 13),
            date=20200705 + number // 24,
            timestamp=1593878400.0 + 3600 * number,
            watch_ratio=0.3 + 0.1 * (number % 13),
        )
        for number in range(COUNT)
    ]


def daily(day, video, factor=1):
    return f"{video},{day},{video // 2},NORMAL,2020-06-{video},Web,{video % 3},10000," + ",".join(
        str(factor * (video + day % 100 + place)) for place in range(7)
    )


DAILY_HEADER = (
    "video_id,date,author_id,video_type,upload_dt,upload_type,video_tag_id,video_duration,show_cnt,play_cnt,"
    "play_duration,complete_play_cnt,long_time_play_cnt,short_time_play_cnt,like_cnt,play_progress"
)


@pytest.fixture
def features(tmp_path):
    """Builds from a log and the daily counts; the pairs' features before the test period, and before the second cut."""

    def made(name, rows, factor_from=None):
        raw = write_raw(tmp_path / name, rows, range(11))
        lines = [
            daily(day, video, 1 if factor_from is None or day < factor_from else 50)
            for day in DAYS
            for video in range(10, 17)
        ]
        (raw / "item_daily_features.csv").write_text(
            "\n".join([DAILY_HEADER, *(line + ",0.5" for line in lines)]) + "\n", encoding="utf-8"
        )
        (raw / "social_network.csv").write_text('user_id,friend_list\n1,"[0, 4]"\n5,[3]\n', encoding="utf-8")
        work = tmp_path / f"{name}_work"
        settings = Settings(raw=raw, work=work, preset="kraft", threads=1, quiet=True)
        build_tables(BuildTables(settings=settings))
        return [
            pl.read_parquet(folder / "tables" / "pair_features.parquet").drop(POSITIVE_INTERACTION, TIMESTAMP)
            for folder in (work, work / "fit")
        ]

    return made


def test_a_later_event_moves_nothing(features):
    tested, learned = features("before", log())
    # The last hour again, by a new user of a video: one more row, and the cuts stay where they are.
    extra = log()[-1]._replace(
        user_id=10, video_id=12, timestamp=1593878400.0 + 3600 * COUNT, play_duration=30_000, watch_ratio=3.0
    )
    tested_after, learned_after = features("after", [*log(), extra])
    assert learned_after.equals(learned)
    assert tested_after.join(tested, on=KEY, how="semi").equals(tested)


def test_what_is_watched_in_the_test_period_moves_nothing(features):
    before = features("before", log())
    rows = log()
    loops = [row._replace(play_duration=90_000, watch_ratio=9.0) for row in rows[TRAIN:]]
    after = features("after", [*rows[:TRAIN], *loops])
    assert [made.equals(was) for made, was in zip(after, before, strict=True)] == [True, True]


def test_what_is_watched_behind_the_second_cut_moves_no_row_that_the_ranker_learns_from(features):
    tested, learned = features("before", log())
    rows = log()
    loops = [row._replace(play_duration=90_000, watch_ratio=9.0) for row in rows[HISTORY:TRAIN]]
    tested_after, learned_after = features("after", [*rows[:HISTORY], *loops, *rows[TRAIN:]])
    assert learned_after.equals(learned)
    # There it is history, and has to count.
    assert not tested_after.equals(tested)


@pytest.mark.parametrize(("rows", "place"), [(TRAIN, 0), (HISTORY, 1)], ids=["test period", "second cut"])
def test_daily_counts_from_the_last_day_of_a_history_on_move_nothing(features, rows, place):
    last_day = log()[rows - 1].date
    was = features("before", log())[place]
    assert features("after", log(), factor_from=last_day)[place].equals(was)
    assert not features("counted", log(), factor_from=last_day - 1)[place].equals(was)
