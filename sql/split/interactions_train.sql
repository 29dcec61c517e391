-- The train period: the first cut_index rows by (timestamp, empty last; user_id; item_id; ...).
--
-- Grain:      one row an interaction
-- Inputs:     interactions, split
-- Parameters: $null_timestamps
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   play_duration         time watched [ms]
--   video_duration        length of the video [ms]
--   timestamp             when, unix time [s]
--   date                  the day in UTC+8 as yyyymmdd
--   watch_ratio           play_duration / video_duration
--   positive_interaction  watch_ratio >= positive_threshold
with kept as (
    select *, coalesce(timestamp, 1e300) as moment, coalesce(date, 2147483647) as day,
        coalesce(play_duration, -1) as plays, coalesce(video_duration, -1) as length, coalesce(watch_ratio, -1e0) as ratio
    from interactions
    where $null_timestamps = 'last' or timestamp is not null
),
cut as (
    select *, coalesce(cut_timestamp, 1e300) as cut_moment, coalesce(cut_date, 2147483647) as cut_day,
        coalesce(cut_play_duration, -1) as cut_plays, coalesce(cut_video_duration, -1) as cut_length,
        coalesce(cut_watch_ratio, -1e0) as cut_ratio from split
),
final as (
    select user_id, item_id, play_duration, video_duration, timestamp, date, watch_ratio, positive_interaction
    from kept
    cross join cut
    where moment < cut_moment
        or (moment = cut_moment and (user_id < cut_user_id
        or (user_id = cut_user_id and (item_id < cut_item_id
        or (item_id = cut_item_id and (plays < cut_plays
        or (plays = cut_plays and (length < cut_length
        or (length = cut_length and (ratio < cut_ratio
        or (ratio = cut_ratio and (day < cut_day
        or (day = cut_day and positive_interaction <= cut_positive)))))))))))))
)
select * from final
order by timestamp nulls last, user_id, item_id, play_duration, video_duration, watch_ratio, date, positive_interaction
