-- The titles of a described log's items, in the columns of KuaiRec's captions.
--
-- Grain:      one row an item of the items' file
-- Inputs:     log_items, item_ids
-- Columns:
--   video_id   id of the item (item_ids)
--   caption    its title
--   topic_tag  NULL
--   first_level_category_id  NULL
--   second_level_category_id  NULL
--   third_level_category_id  NULL
--   first_level_category_name  NULL
--   second_level_category_name  NULL
--   third_level_category_name  NULL
with final as (
    select
        item_ids.item_id as video_id, log_items.title as caption, cast(null as varchar) as topic_tag,
        cast(null as bigint) as first_level_category_id, cast(null as bigint) as second_level_category_id,
        cast(null as bigint) as third_level_category_id, cast(null as varchar) as first_level_category_name,
        cast(null as varchar) as second_level_category_name, cast(null as varchar) as third_level_category_name
    from log_items
    join item_ids on log_items.item_key = item_ids.id
)
select * from final
order by video_id
