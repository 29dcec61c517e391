-- Train and test compared by pairs of a user and a video; a pair is positive if any of its interactions is.
--
-- Grain:      one row a period, train or test
-- Inputs:     interactions, interactions_train, interactions_test, item_index
-- Columns:
--   period          train or test
--   pairs           distinct (user, video)
--   users           distinct users
--   items           distinct videos
--   positives       pairs that were positive
--   cold_pairs      pairs of videos that do not occur in train
--   cold_items      videos that do not occur in train
--   null_timestamps         pairs without a timestamp
--   median_seconds  median length of the video of a pair [s]
with lengths as (
    select item_id, min(video_duration) / 1e3 as seconds from interactions group by item_id
),
pairs as (
    select
        'train' as period, user_id, item_id, bool_or(positive_interaction) as positive_interaction, min(timestamp) as timestamp
    from interactions_train
    group by user_id, item_id
    union all
    select 'test' as period, user_id, item_id, positive_interaction, timestamp from interactions_test
),
final as (
    select
        pairs.period,
        count(*)                                                                          as pairs,
        count(distinct pairs.user_id)                                                     as users,
        count(distinct pairs.item_id)                                                     as items,
        count(*) filter (where pairs.positive_interaction)                                as positives,
        count(*) filter (where item_index.item_id is null)                                as cold_pairs,
        count(distinct case when item_index.item_id is null then pairs.item_id end)       as cold_items,
        count(*) filter (where pairs.timestamp is null)                                   as null_timestamps,
        median(lengths.seconds)                                                           as median_seconds
    from pairs
    left join lengths on pairs.item_id = lengths.item_id
    left join item_index on pairs.item_id = item_index.item_id
    group by pairs.period
)
select * from final
order by period desc
