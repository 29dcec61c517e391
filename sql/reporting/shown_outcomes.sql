-- The videos of the examples' recommendations that their users met in the test period.
--
-- Grain:      one row a pair of shown_pairs that is a test pair
-- Inputs:     shown_pairs, interactions_test
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   positive_interaction  whether the user liked it
with shown as (
    select distinct user_id, item_id from shown_pairs
),
final as (
    select test.user_id, test.item_id, test.positive_interaction
    from interactions_test as test
    join shown on test.user_id = shown.user_id
    where test.item_id = shown.item_id
)
select * from final
order by user_id, item_id
