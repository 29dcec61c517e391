-- The positive test pairs.
--
-- Grain:      one row a test pair with a positive interaction
-- Inputs:     interactions_test
-- Columns:
--   user_id  id of the user
--   item_id  id of the video
with final as (
    select user_id, item_id
    from interactions_test
    where positive_interaction
)
select * from final
order by user_id, item_id
