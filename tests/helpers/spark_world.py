"""Tables for every file of `sql/`, as DuckDB makes them from 100,000 synthetic interactions that are full of what
engines disagree about: missing values, ties, repeated rows, values that cannot be.
"""

from pathlib import Path
from typing import Any

import duckdb
from sql_schemas import OUTSIDE, PARAMETERS, SOURCES

from kraft.engine.sql.queries import Query, all_queries
from kraft.engine.sql.session import prepare
from kraft.engine.sql.sources import Parquet
from kraft.logs.contracts import resolve
from kraft.stages.synthesize import Synthesize, synthesize_log

USERS, ITEMS = 200, 500
SETTINGS: dict[str, Any] = PARAMETERS | {
    "cutoffs": [10, 50, 200, 1000],
    "recent_positives": 10,
    "most_rows": 10_000,
}
OTHERWISE = {"null_timestamps": "drop", "held_out_share": 0.3, "train_fraction": 0.6, "exclude_seen": False, "top": 3}
"""Other values of the same parameters."""

# Rows that stand there twice and three times, pairs that meet again, ties in time and ratio.
LOG = """
select * from synthetic
union all by name select * from synthetic where user_id % 7 = 3 and video_id % 5 = 1
union all by name select * from synthetic where user_id % 14 = 3 and video_id % 5 = 1
union all by name select * replace (timestamp + 1000 as timestamp, 1.0 as watch_ratio)
    from synthetic where video_id % 11 = 2
union all by name select * replace (floor(timestamp / 7200) * 7200 as timestamp) from synthetic where video_id % 13 = 4
union all by name select * replace (null as timestamp, null as date) from synthetic where video_id % 17 = 5
"""
CATEGORIES = """
select * replace (case when video_id % 19 = 0 then null when video_id % 23 = 0 then '[]' else feat end as feat)
from synthetic
"""
USER_FEATURES = """
select * replace (
    case when user_id % 9 = 0 then null else onehot_feat3 end as onehot_feat3,
    case when user_id % 8 = 0 then null else user_active_degree end as user_active_degree,
    case when user_id % 6 = 0 then null else register_days end as register_days
) from synthetic
"""
DAILY = """
select * replace (
    case when video_id % 29 = 0 then -1 when video_id % 31 = 0 then 'inf' when video_id % 37 = 0 then null
        else play_cnt end as play_cnt,
    case when video_id % 41 = 0 then 'nan' else play_progress end as play_progress,
    case when video_id % 43 = 0 then 'some day' else upload_dt end as upload_dt
) from synthetic
"""
FRIENDS = "from synthetic union all select user_id, '[1, 2, 99999999999]' from synthetic where user_id % 2 = 0"
OUTER = {
    # Many pairs share a score.
    "scores": "select user_id, item_id, (user_id * 7 + item_id * 13) % 101 / 100e0 as score from interactions_test",
    "shown_pairs": "select user_id, item_id from interactions_test where user_id % 20 = 3 and item_id % 7 < 5",
    "label_pairs": "select user_id, item_id, play_duration, video_duration, timestamp, date, watch_ratio,"
    " positive_interaction from interactions_train",
    "log_rows": "select 'user ' || user_id as user_key, 'video-' || item_id as item_key, timestamp,"
    " coalesce(watch_ratio >= 1, false) as label, play_duration,"
    " case when item_id % 3 > 0 then video_duration end as video_duration,"
    " case when item_id % 3 > 0 then watch_ratio end as watch_ratio, date from interactions",
    "log_users": "select 'user ' || user_id as user_key, raw_user_features.* exclude (user_id) from raw_user_features",
    "log_items": """
        select 'video-' || item_id as item_key, case when item_id % 7 > 0 then feat end as categories,
            case when item_id % 5 > 0 then 'author ' || item_id % 50 end as author,
            date '2020-01-01' + item_id % 100 as uploaded,
            case when item_id % 4 > 0 then 'kind ' || item_id % 4 end as kind,
            'title ' || item_id as title
        from video_metadata
    """,
    "observed_interactions": "select * replace (user_id + 3 as user_id) from interactions where item_id % 4 <> 0",
    "source_shares": "select unnest(['watch_time', 'als', 'popular', 'new']) as source,"
    " unnest([30e0, 20e0, 15e0, 15e0]) as share",
    "recommendations": """
        select user_id, cast(rank as integer) as rank, item_id, 1e0 / rank as score, 'als+new' as sources
        from (
            select user_id, item_id,
                row_number() over (partition by user_id order by (user_id * 31 + item_id * 17) % 97, item_id) as rank
            from (select user_id from user_index where user_id % 10 <> 4) cross join (select item_id from catalogue)
        ) where rank <= 12 - user_id % 5 * 2
    """,
    "reference": """
        select user_id, cast(rank as integer) as rank, item_id, 1e0 / rank as score, 'als' as sources
        from (
            select user_id, item_id,
                row_number() over (partition by user_id order by (user_id * 31 + item_id * 13) % 89, item_id) as rank
            from user_index cross join (select item_id from catalogue)
        ) where rank <= 10
    """,
    "candidates": f"""
        with listed as (
            select user_id, item_id, {
        ", ".join(
            f"case when (user_id + item_id) % {step} < 2 then (user_id * {step} + item_id * 7) % 1009 end as r{number}"
            for number, step in enumerate((3, 4, 5, 7, 11, 13))
        )
    }
            from user_index cross join (select item_id from catalogue where item_id % 3 <> 0)
        ),
        ranked as (
            select user_id, item_id, {
        ", ".join(
            f"case when r{number} is not null then "
            f"row_number() over (partition by user_id order by r{number} nulls last, item_id) end as rank_{name}"
            for number, name in enumerate(SOURCES)
        )
    }
            from listed where coalesce(r0, r1, r2, r3, r4, r5) is not null
        )
        select user_id, item_id,
            cast(row_number() over (partition by user_id order by item_id) as integer) as rank, 1 as sources,
            {", ".join(f"cast(rank_{name} as integer) as rank_{name}" for name in SOURCES)}
        from ranked
    """,
}
"""Tables that no file of `sql/` makes, made of those that are."""
MADE_OF = (
    *("interactions", "interactions_train", "interactions_test", "user_index", "catalogue"),
    *("raw_user_features", "video_metadata"),
)
# What the checks, and what looks for faults, are there for.
_BROKEN_LOG = """
select * replace (
    case when item_id % 90 = 1 then -1 when item_id % 90 = 2 then null else user_id end as user_id,
    case when item_id % 80 = 3 then 0 else video_duration end as video_duration,
    case when item_id % 70 = 4 then 'nan' when item_id % 70 = 5 then 'inf' when item_id % 70 = 6 then null
        else watch_ratio end as watch_ratio,
    case when item_id % 60 = 7 then -5 else timestamp end as timestamp
) from interactions where item_id % 10 < 8
"""
BROKEN = {
    "interactions_in_range": {"interactions": _BROKEN_LOG},
    "interactions_present": {"interactions": "from interactions limit 3"},
    "observed_apart": {"observed_interactions": "from interactions where user_id % 5 = 0"},
    "split_has_train": {"split": "from split where n < 0"},
    "train_before_test": {"split": "select * replace (cut_index - 1 as cut_index) from split"},
    "categories_listed": {
        "raw_item_categories": """
            select * replace (case video_id % 5 when 1 then '[8, ' when 2 then '8' when 3 then '[1234567890]'
                else feat end as feat)
            from raw_item_categories
        """
    },
    "friends_listed": {
        "raw_social_network": """
            select * replace (case user_id % 4 when 1 then '[8 9]' when 2 then ' [ 8,9 ] ' when 3 then 'nobody'
                else friend_list end as friend_list)
            from raw_social_network
        """
    },
    "split_has_test": {"split": "select * replace (n as cut_index) from split"},
    "users_once": {"user_features": "from user_features union all from user_features where user_id % 3 = 0"},
    "videos_once": {"video_metadata": "from video_metadata union all from video_metadata where item_id % 3 = 0"},
    "score_violations": {
        "scores": "select * replace (case when item_id % 9 = 1 then 'nan' when item_id % 9 = 2 then null "
        "when item_id % 9 = 3 then 'inf' else score end as score) from scores where user_id % 7 <> 1 "
        "union all from scores where user_id % 13 = 2 "
        "union all select user_id + 100000, item_id, score from scores where user_id % 11 = 3"
    },
    "list_violations": {
        "recommendations": "select * replace (case when user_id % 6 = 1 then null when user_id % 6 = 2 then rank + 1 "
        "else rank end as rank, case when user_id % 6 = 3 then 900000 else item_id end as item_id) "
        "from recommendations union all from recommendations where user_id % 6 = 4"
    },
    "candidate_violations": {"candidates": "from candidates where item_id % 7 <> 1 or user_id % 4 = 0"},
}


class World:
    """A folder with a Parquet file for every table, and DuckDB's answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = duckdb.connect(config={"threads": 2})
        raw = folder / "raw"
        synthesize_log(Synthesize(to=raw, users=USERS, items=ITEMS))
        inputs, extras = resolve(raw, "small")
        made = {
            "raw_interactions": LOG,
            "raw_user_features": USER_FEATURES,
            "raw_item_categories": CATEGORIES,
            "raw_item_daily_features": DAILY,
            "raw_social_network": FRIENDS,
        }
        for name, file in {**inputs, **extras}.items():
            file.register(self.connection, "synthetic")
            self._write(name, f"select * from ({made.get(name, 'from synthetic')}) order by random()")

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def inputs(self, query: Query) -> dict[str, Path]:
        """The files that a query reads: made on demand, and broken where its business is faults."""
        broken = BROKEN.get(query.name, {})
        for part in query.inputs:
            self._ensure(part)
            if part in broken:
                self._view(part)
                self._write(f"{query.name} {part}", broken[part])
        return {part: self.path(f"{query.name} {part}" if part in broken else part) for part in query.inputs}

    def answer(self, query: Query, parameters: dict[str, Any], name: str) -> Path:
        """DuckDB's result, as the builder has it written."""
        for part, path in self.inputs(query).items():
            Parquet(path).register(self.connection, part)
        prepare(self.connection, 2, kept=False, raw=False)
        self._write(name, query.text, {key: parameters[key] for key in query.parameters})
        return self.path(name)

    def _ensure(self, name: str) -> None:
        if self.path(name).exists():
            return
        if name in all_queries():
            self.answer(all_queries()[name], SETTINGS, name)
            return
        for part in MADE_OF:
            if part in OUTER[name]:
                self._ensure(part)
                self._view(part)
        kinds = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in OUTSIDE[name].items())
        self._write(name, f"select {kinds} from ({OUTER[name]}) order by random()")

    def _view(self, name: str) -> None:
        Parquet(self.path(name)).register(self.connection, name)

    def _write(self, name: str, select: str, parameters: dict[str, Any] | None = None) -> None:
        target = {"target_file": str(self.path(name))}
        self.connection.execute(f"copy ({select}\n) to $target_file (format parquet)", (parameters or {}) | target)
