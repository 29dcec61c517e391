-- How many content categories the videos of the log have.
--
-- Grain:      one row a number of categories that occurs
-- Inputs:     interactions, video_metadata
-- Columns:
--   num_categories  categories of a video; 0 where none is known
--   videos          videos of the log with as many
--   interactions    of them [rows]
--   positives       of these, positive [rows]
with counted as (
    select item_id, count(*) as met, count(*) filter (where positive_interaction) as liked
    from interactions
    group by item_id
),
final as (
    select
        coalesce(video_metadata.num_categories, 0)  as num_categories,
        count(*)                                    as videos,
        cast(sum(counted.met) as bigint)            as interactions,
        cast(sum(counted.liked) as bigint)          as positives
    from counted
    left join video_metadata on counted.item_id = video_metadata.item_id
    group by coalesce(video_metadata.num_categories, 0)
)
select * from final
order by num_categories
