-- Interactions of each day, and how many of them are in the train period.
--
-- Grain:      one row a day in UTC+8, and one for what has no time
-- Inputs:     interactions, interactions_train, item_index
-- Parameters: $null_timestamps
-- Columns:
--   day           days since 1970-01-01; NULL where the log has no timestamp
--   interactions  of the day [rows]
--   positives     of these, positive [rows]
--   train         of these, in the train period [rows]
--   cold          of these, of videos that do not occur in train [rows]
with known as (
    select item_id, 1 as known from item_index
),
days as (
    select
        cast(floor((interactions.timestamp + 28800) / 86400) as bigint)   as day,
        count(*)                                                          as interactions,
        count(*) filter (where interactions.positive_interaction)         as positives,
        0                                                                 as train,
        count(*) - count(known.known)                                     as cold
    from interactions
    left join known on interactions.item_id = known.item_id
    where $null_timestamps = 'last' or interactions.timestamp is not null
    group by cast(floor((interactions.timestamp + 28800) / 86400) as bigint)
),
train_days as (
    select
        cast(floor((timestamp + 28800) / 86400) as bigint)  as day,
        0                                                   as interactions,
        0                                                   as positives,
        count(*)                                            as train,
        0                                                   as cold
    from interactions_train
    group by cast(floor((timestamp + 28800) / 86400) as bigint)
),
final as (
    select
        day,
        cast(sum(interactions) as bigint)  as interactions,
        cast(sum(positives) as bigint)     as positives,
        cast(sum(train) as bigint)         as train,
        cast(sum(cold) as bigint)          as cold
    from (select * from days union all select * from train_days) as both_counts
    group by day
)
select * from final
order by day nulls last
