-- What the platform counted for each video on the days before the last day of the train period.
-- In the history, three quarters of the held-out videos are held out here too.
--
-- Grain:      one row a video with a play on such a day
-- Inputs:     item_daily, interactions_train
-- Parameters: $held_out_share
-- Columns:
--   item_id            id of the video
--   daily_days         days with counts [d]
--   daily_shows        times it was shown, ln(1 + times)
--   daily_log_time     mean time of a play [log s]
--   daily_complete     plays to the end / plays, with 1 of 3 more
--   daily_long         long plays / plays, with 0.1 of 1 more
--   daily_short        short plays / plays, with 0.1 of 1 more
--   daily_like         likes / times it was shown, with 0.01 of 1 more
--   daily_progress     mean share of the video that a play reached
with last_day as (
    select max(date) as date from interactions_train
),
totals as (
    select
        days.item_id,
        count(*)                                                                     as days,
        cast(sum(cast(shows as decimal(18, 0))) as double)                           as shows,
        cast(sum(cast(plays as decimal(18, 0))) as double)                           as plays,
        cast(sum(cast(play_duration as decimal(18, 0))) as double)                   as milliseconds,
        cast(sum(cast(complete_plays as decimal(18, 0))) as double)                  as complete,
        cast(sum(cast(long_plays as decimal(18, 0))) as double)                      as long_plays,
        cast(sum(cast(short_plays as decimal(18, 0))) as double)                     as short_plays,
        cast(sum(cast(likes as decimal(18, 0))) as double)                           as likes,
        cast(sum(cast(play_progress * plays as decimal(38, 6))) as double)           as progress
    from item_daily as days
    cross join last_day
    where days.date < last_day.date
        and (cast(days.item_id as bigint) * 7919 + 104729) * 31 % 1009 >= 1009e0 * 75e-2 * $held_out_share
    group by days.item_id
),
final as (
    select
        item_id,
        cast(days as integer)                                          as daily_days,
        cast(ln(1e0 + shows) as float)                                     as daily_shows,
        cast(ln(case when milliseconds < 1e0 then 1e0 else milliseconds end / 1e3 / nullif(plays, 0e0)) as float) as daily_log_time,
        cast((complete + 1e0) / (plays + 3e0) as float)                    as daily_complete,
        cast((long_plays + 1e-1) / (plays + 1e0) as float)                 as daily_long,
        cast((short_plays + 1e-1) / (plays + 1e0) as float)                as daily_short,
        cast((likes + 1e-2) / (shows + 1e0) as float)                      as daily_like,
        cast(progress / nullif(plays, 0e0) as float)                       as daily_progress
    from totals
    where plays > 0
)
select * from final
order by item_id
