-- How often each item was met, and liked, in the train period.
-- The ranker reads interaction_count as item_interaction_count; with positive_count it gives rates.
--
-- Grain:      one row a item that occurs in interactions_train
-- Inputs:     interactions_train
-- Columns:
--   item_id            id of the item
--   interaction_count  interactions in train [rows]
--   positive_count     of these, with positive_interaction [rows]
with train as (
    select item_id, positive_interaction from interactions_train
),
final as (
    select
        item_id,
        count(*)                                      as interaction_count,
        count(*) filter (where positive_interaction)  as positive_count
    from train
    group by item_id
)
select * from final
order by item_id
