-- Rows of the factor matrix: the train period's users numbered by id.
--
-- Grain:      one row a user of interactions_train
-- Inputs:     interactions_train
-- Columns:
--   user_id     id of the user
--   user_index  0-based, ascending with the id
with entities as (
    select distinct user_id from interactions_train
),
final as (
    select user_id, cast(row_number() over (order by user_id) - 1 as integer) as user_index
    from entities
)
select * from final
order by user_id
