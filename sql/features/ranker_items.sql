-- Features of a video for the preset documented, without the factors. Missing values are 0, an unknown index is -1.
--
-- Grain:      one row an item of interactions
-- Inputs:     interactions, video_metadata, item_index, item_counts
-- Columns:
--   item_id                 id of the video
--   item_index              row of the item factors; -1 for an item that is not in train
--   num_categories          categories of the video
--   item_interaction_count  the item's interactions in train [rows]
with items as (
    select distinct item_id from interactions
),
final as (
    select
        items.item_id,
        coalesce(item_index.item_index, -1)                          as item_index,
        cast(coalesce(video_metadata.num_categories, 0) as integer) as num_categories,
        cast(coalesce(item_counts.interaction_count, 0) as integer)  as item_interaction_count
    from items
    left join video_metadata on items.item_id = video_metadata.item_id
    left join item_index on items.item_id = item_index.item_id
    left join item_counts on items.item_id = item_counts.item_id
)
select * from final
order by item_id
