-- Where the chronological split cuts: the last row of the train period.
-- Rows are counted an hour at a time, and only the hour that holds the cut is ranked.
--
-- Grain:      one row
-- Inputs:     interactions
-- Parameters: $train_fraction, $test_from, $null_timestamps
-- Columns:
--   n                   interactions that take part [rows]
--   cut_index           of these, in the train period: those before $test_from, unix time [s]; if that is 0, the whole
--                       part of n * $train_fraction [rows]
--   null_timestamps     of n, rows without a timestamp; they come last [rows]
--   cut_timestamp       timestamp of the last train row [s]; NULL where that row has none
--   cut_user_id         its user
--   cut_item_id         its item
--   cut_play_duration   its play_duration [ms]
--   cut_video_duration  its video_duration [ms]
--   cut_watch_ratio     its watch_ratio
--   cut_date            its date; NULL where that row has none
--   cut_positive        its positive_interaction
with hours as (
    select
        coalesce(floor(timestamp / 3600), 1e18)  as hour,
        count(*)                                 as rows_within,
        count(*) filter (where timestamp < $test_from) as rows_before,
        count(*) - count(timestamp)              as null_timestamps
    from interactions
    where $null_timestamps = 'last' or timestamp is not null
    group by 1
),
total as (
    select
        cast(coalesce(sum(rows_within), 0) as bigint)      as n,
        cast(case when $test_from > 0 then coalesce(sum(rows_before), 0)
            else floor($train_fraction * coalesce(sum(rows_within), 0)) end as bigint) as cut_index,
        cast(coalesce(sum(null_timestamps), 0) as bigint)  as null_timestamps
    from hours
),
counted as (
    select hour, rows_within, sum(rows_within) over (order by hour) as rows_through from hours
),
cut_hour as (
    select counted.hour, total.cut_index - (rows_through - rows_within) as number
    from counted
    cross join total
    where rows_through >= total.cut_index and rows_through - rows_within < total.cut_index
),
-- The hour, and a second on both sides.
near as (
    select log.* from interactions as log
    join cut_hour on log.timestamp >= 3600 * cut_hour.hour - 1 and log.timestamp <= 3600 * cut_hour.hour + 3601
    union all
    select log.* from interactions as log
    cross join cut_hour
    where log.timestamp is null and cut_hour.hour = 1e18
),
ranked as (
    select
        near.*,
        row_number() over (
            order by timestamp, user_id, item_id, play_duration, video_duration, watch_ratio, date, positive_interaction
        ) as number
    from near
    semi join cut_hour on coalesce(floor(near.timestamp / 3600), 1e18) = cut_hour.hour
),
final as (
    select
        total.n, total.cut_index, total.null_timestamps,
        ranked.timestamp       as cut_timestamp,
        ranked.user_id         as cut_user_id,
        ranked.item_id         as cut_item_id,
        ranked.play_duration   as cut_play_duration,
        ranked.video_duration  as cut_video_duration,
        ranked.watch_ratio     as cut_watch_ratio,
        ranked.date            as cut_date,
        ranked.positive_interaction  as cut_positive
    from ranked
    join cut_hour on ranked.number = cut_hour.number
    cross join total
)
select * from final
