-- Which number each item of a described log has inside KRAFT; see user_ids.
--
-- Grain:      one row an item of the log or of the items' file
-- Inputs:     log_rows, log_items
-- Columns:
--   item_id  0-based, by length and letters of the id
--   id       the log's own id
with listed as (
    select item_key as id from log_rows union select item_key from log_items
),
final as (
    select cast(row_number() over (order by length(id), id) - 1 as integer) as item_id, id from listed
)
select * from final
order by item_id
