-- Rows of the factor matrix: the train period's videos numbered by id.
--
-- Grain:      one row a item of interactions_train
-- Inputs:     interactions_train
-- Columns:
--   item_id     id of the item
--   item_index  0-based, ascending with the id
with entities as (
    select distinct item_id from interactions_train
),
final as (
    select item_id, cast(row_number() over (order by item_id) - 1 as integer) as item_index
    from entities
)
select * from final
order by item_id
