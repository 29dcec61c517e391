-- The videos' categories.
--
-- Grain:      one row a video of item_categories
-- Inputs:     raw_item_categories
-- Columns:
--   item_id         id of the video
--   feat            category ids, in the file's order
--   num_categories  length of feat
with raw as (
    select video_id, feat from raw_item_categories
),
final as (
    select
        video_id                                                    as item_id,
        try_cast(regexp_extract_all(feat, '[0-9]+') as integer[])   as feat,
        -- A video without a list has no known category: feat NULL, 0 of them.
        coalesce(array_length(regexp_extract_all(feat, '[0-9]+')), 0) as num_categories
    from raw
)
select * from final
order by item_id
