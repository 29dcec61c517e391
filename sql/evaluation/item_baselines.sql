-- What the simplest recommenders know of a video.
--
-- Grain:      one row a video of interactions_test
-- Inputs:     interactions_test, interactions, item_counts, video_metadata, baseline_rates
-- Columns:
--   item_id        id of the video
--   popularity     interactions in train; 0 without any [rows]
--   positive_rate  smoothed positive rate in train; without history the rate of all train [0 to 1]
--   category_rate  mean of the smoothed rates of its categories; the rate of all train if none is known [0 to 1]
--   shortness      minus its length, the least of those in the log [ms]; where that is unknown, the least there is; NULL in a
--                  log without lengths
with videos as (
    select distinct item_id from interactions_test
),
lengths as (
    select item_id, min(video_duration) as milliseconds from interactions group by item_id
),
any_length as (
    select count(milliseconds) as found from lengths
),
train as (
    select 1e0 * sum(positive_count) / nullif(sum(interaction_count), 0) as rate from item_counts
),
listed as (
    select distinct item_id, unnest(feat) as category from video_metadata
),
categories as (
    select
        listed.item_id,
        cast(sum(cast(baseline_rates.rate as decimal(18, 15))) as double) / nullif(count(*), 0) as rate
    from listed
    inner join baseline_rates on baseline_rates.kind = 'category' and listed.category = baseline_rates.key
    group by listed.item_id
),
items as (
    select key, rate from baseline_rates where kind = 'item'
),
final as (
    select
        videos.item_id,
        coalesce(item_counts.interaction_count, 0)                     as popularity,
        coalesce(items.rate, train.rate, 0e0)                          as positive_rate,
        coalesce(categories.rate, train.rate, 0e0)                     as category_rate,
        case when any_length.found > 0 then cast(-coalesce(lengths.milliseconds, 2147483647) as bigint) end as shortness
    from videos
    cross join train
    cross join any_length
    left join lengths on videos.item_id = lengths.item_id
    left join item_counts on videos.item_id = item_counts.item_id
    left join categories on videos.item_id = categories.item_id
    left join items on videos.item_id = items.key
)
select * from final
order by item_id
