-- The train matrix for ALS, by item: `user_item_counts` in the other order.
--
-- Grain:      one row a (user, item) pair of interactions_train
-- Inputs:     user_item_counts
-- Columns:
--   user_index      row of the user factors
--   item_index      row of the item factors
--   positive_count  positive interactions of the pair [rows]
with final as (
    select user_index, item_index, positive_count from user_item_counts
)
select * from final
order by item_index, user_index
