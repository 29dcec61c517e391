-- The train matrix for ALS, by user: how often each pair was positive.
-- Repeated interactions of a pair add up; a pair that was met but never liked has 0.
--
-- Grain:      one row a (user, item) pair of interactions_train
-- Inputs:     interactions_train, user_index, item_index
-- Columns:
--   user_index      row of the user factors
--   item_index      row of the item factors
--   positive_count  positive interactions of the pair [rows]
with train as (
    select user_id, item_id, positive_interaction from interactions_train
),
final as (
    select
        users.user_index,
        items.item_index,
        cast(count(*) filter (where train.positive_interaction) as integer) as positive_count
    from train
    join user_index as users on train.user_id = users.user_id
    join item_index as items on train.item_id = items.item_id
    group by users.user_index, items.item_index
)
select * from final
order by user_index, item_index
