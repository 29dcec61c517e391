-- How frequent each content category is in the log, and how often its videos are liked. A video counts for each of its
-- categories.
--
-- Grain:      one row a category of a video of the log
-- Inputs:     interactions, video_metadata
-- Columns:
--   category      id of the category
--   videos        videos of the log in it
--   interactions  of them [rows]
--   positives     of these, positive [rows]
with counted as (
    select item_id, count(*) as met, count(*) filter (where positive_interaction) as liked
    from interactions
    group by item_id
),
listed as (
    select distinct item_id, unnest(feat) as category from video_metadata
),
final as (
    select
        listed.category,
        count(*)                            as videos,
        cast(sum(counted.met) as bigint)    as interactions,
        cast(sum(counted.liked) as bigint)  as positives
    from listed
    inner join counted on listed.item_id = counted.item_id
    group by listed.category
)
select * from final
order by category
