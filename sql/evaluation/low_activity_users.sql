-- The quarter of the users that was least active in train. Of n users these are the first n / 4, rounded up, by
-- interactions in train; of equally active ones those with the lower user_id, so that the quarter is exact.
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
