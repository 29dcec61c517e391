-- The quarter of the users that was least active in train: the first n / 4 of n users, rounded up, by interactions in
-- train, then by user_id.
--
-- Grain:      one row a user of the quarter
-- Inputs:     user_counts
-- Columns:
--   user_id            id of the user
--   interaction_count  interactions in train [rows]
with numbered as (
    select
        user_id,
        interaction_count,
        row_number() over (order by interaction_count, user_id) as rank
    from user_counts
),
counted as (
    select count(*) as users from user_counts
),
final as (
    select user_id, interaction_count
    from numbered
    cross join counted
    where 4 * (rank - 1) < users
)
select * from final
order by user_id
