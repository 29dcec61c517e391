-- The log in one row: users, videos, interactions, and density.
--
-- Grain:      one row
-- Inputs:     interactions
-- Columns:
--   users            users of the log
--   items            videos of the log
--   interactions     distinct rows of the log [rows]
--   raw_rows         rows of the file, with exact copies [rows]
--   pairs            distinct (user, video)
--   density          pairs / (users * items) [0 to 1]
--   positives        interactions that reached the threshold [rows]
--   null_timestamps          interactions without a timestamp [rows]
--   first_timestamp  the earliest, unix time [s]
--   last_timestamp   the latest, unix time [s]
--   median_ratio     median watch ratio
--   hours            time of all plays [h]
with pairs as (
    select count(*) as pairs from (select user_id, item_id from interactions group by user_id, item_id) as met
),
totals as (
    select
        count(distinct user_id)                       as users,
        count(distinct item_id)                       as items,
        count(*)                                      as interactions,
        cast(sum(copies) as bigint)                   as raw_rows,
        count(*) filter (where positive_interaction)  as positives,
        count(*) - count(timestamp)                   as null_timestamps,
        min(timestamp)                                as first_timestamp,
        max(timestamp)                                as last_timestamp,
        median(watch_ratio)                           as median_ratio,
        sum(play_duration) / 3.6e6                    as hours
    from interactions
),
final as (
    select
        totals.users,
        totals.items,
        totals.interactions,
        totals.raw_rows,
        pairs.pairs,
        1e0 * pairs.pairs / nullif(totals.users * totals.items, 0) as density,
        totals.positives,
        totals.null_timestamps,
        totals.first_timestamp,
        totals.last_timestamp,
        totals.median_ratio,
        totals.hours
    from totals
    cross join pairs
)
select * from final
