-- The categories of a described log's items, as KuaiRec's item_categories has them.
--
-- Grain:      one row an item of the items' file
-- Inputs:     log_items, item_ids, category_ids
-- Columns:
--   video_id  id of the item (item_ids)
--   feat      its categories (category_ids) as a list in brackets; NULL where it has none
with members as (
    select item_key, unnest(categories) as name from log_items
),
listed as (
    select members.item_key, string_agg(cast(category_ids.category_id as varchar), ', ' order by category_ids.category_id) as feat
    from members
    join category_ids on members.name = category_ids.name
    group by members.item_key
),
final as (
    select item_ids.item_id as video_id, '[' || listed.feat || ']' as feat
    from log_items
    join item_ids on log_items.item_key = item_ids.id
    left join listed on log_items.item_key = listed.item_key
)
select * from final
order by video_id
