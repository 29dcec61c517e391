-- The interaction log, typed, without exact duplicates, in chronological order.
-- KuaiRec's `time` is left out: it is `timestamp` in UTC+8, to the millisecond.
--
-- Grain:      one row a distinct interaction; a pair may occur again at another time
-- Inputs:     raw_interactions
-- Parameters: $positive_threshold
-- Columns:
--   user_id               id of the user
--   item_id               id of the video (video_id in the raw files)
--   play_duration         time watched [ms]
--   video_duration        length of the video [ms]
--   watch_ratio           play_duration / video_duration, as the log has it
--   timestamp             when, unix time [s]; NULL where the log has none
--   date                  the day in UTC+8 as yyyymmdd; NULL where the log has none
--   positive_interaction  watch_ratio >= $positive_threshold, on the full-precision ratio
--   copies                how often the log holds this very row [rows]
with raw as (
    select
        user_id,
        video_id  as item_id,
        play_duration,
        video_duration,
        watch_ratio,
        timestamp,
        date
    from raw_interactions
),
final as (
    select
        *,
        coalesce(watch_ratio >= $positive_threshold, false)  as positive_interaction,
        cast(count(*) as integer)                            as copies
    from raw
    group by all
)
select * from final
order by timestamp nulls last, user_id, item_id, play_duration, video_duration, watch_ratio, date
