-- The test period as the ranking sees it: the pairs of known users after the cut.
-- A user who is not in train cannot be ranked by the documented pipeline and is left out.
--
-- Grain:      one row a distinct (user_id, item_id) after the cut
-- Inputs:     interactions, split, user_index
-- Parameters: $null_timestamps
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   interaction_count     interactions of the pair in the test period [rows]
--   positive_interaction  whether any of them was positive
--   timestamp             the first of them, unix time [s]; NULL where the log has none
with cut as (
    select *, coalesce(cut_timestamp, 1e300) as cut_moment, coalesce(cut_date, 2147483647) as cut_day,
        coalesce(cut_play_duration, -1) as cut_plays, coalesce(cut_video_duration, -1) as cut_length,
        coalesce(cut_watch_ratio, -1e0) as cut_ratio from split
),
-- Rows at the time of the cut or later, or without a time.
near as (
    select log.* from interactions as log
    join split on log.timestamp >= split.cut_timestamp
    union all
    select * from interactions
    where timestamp is null and $null_timestamps = 'last'
),
kept as (
    select *, coalesce(timestamp, 1e300) as moment, coalesce(date, 2147483647) as day,
        coalesce(play_duration, -1) as plays, coalesce(video_duration, -1) as length, coalesce(watch_ratio, -1e0) as ratio from near
),
later as (
    select kept.user_id, kept.item_id, kept.positive_interaction, kept.timestamp
    from kept
    cross join cut
    where not (moment < cut_moment
        or (moment = cut_moment and (user_id < cut_user_id
        or (user_id = cut_user_id and (item_id < cut_item_id
        or (item_id = cut_item_id and (plays < cut_plays
        or (plays = cut_plays and (length < cut_length
        or (length = cut_length and (ratio < cut_ratio
        or (ratio = cut_ratio and (day < cut_day
        or (day = cut_day and positive_interaction <= cut_positive))))))))))))))
),
final as (
    select
        user_id,
        item_id,
        cast(count(*) as integer)   as interaction_count,
        max(positive_interaction)   as positive_interaction,
        min(timestamp)              as timestamp
    from later
    semi join user_index on later.user_id = user_index.user_id
    group by user_id, item_id
)
select * from final
order by user_id, item_id
