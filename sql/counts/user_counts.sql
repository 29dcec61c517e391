-- How much each user met, and liked, in the train period.
-- The ranker reads interaction_count as user_interaction_count; with positive_count it gives rates.
--
-- Grain:      one row a user that occurs in interactions_train
-- Inputs:     interactions_train
-- Columns:
--   user_id            id of the user
--   interaction_count  interactions in train [rows]
--   positive_count     of these, with positive_interaction [rows]
with train as (
    select user_id, positive_interaction from interactions_train
),
final as (
    select
        user_id,
        count(*)                                      as interaction_count,
        count(*) filter (where positive_interaction)  as positive_count
    from train
    group by user_id
)
select * from final
order by user_id
