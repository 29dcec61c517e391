-- Three users to show. Users with a positive test pair are ordered by their train interactions; shown are those at a
-- twentieth, half and nineteen twentieths (nearest rank; ties by user_id). A user who would be shown twice is shown once.
--
-- Grain:      one row a user that is shown
-- Inputs:     user_counts, test_positives
-- Columns:
--   number              1 to 3, from light to heavy
--   activity           light, median or heavy
--   user_id            id of the user
--   interaction_count  interactions in train [rows]
--   positive_count     of these, with positive_interaction [rows]
--   test_positives     test pairs with a positive interaction
with truth as (
    select user_id, count(*) as test_positives from test_positives group by user_id
),
ranked as (
    select
        counts.user_id, counts.interaction_count, counts.positive_count, truth.test_positives,
        row_number() over (order by counts.interaction_count, counts.user_id) as number
    from user_counts as counts
    join truth on counts.user_id = truth.user_id
),
size as (
    select count(*) as users from ranked
),
wanted as (
    select 1 as number, 'light' as activity, 1 as twentieths
    union all select 2, 'median', 10
    union all select 3, 'heavy', 19
),
final as (
    select
        wanted.number, wanted.activity,
        ranked.user_id, ranked.interaction_count, ranked.positive_count, ranked.test_positives
    from wanted
    cross join size
    join ranked on ranked.number = (size.users * wanted.twentieths + 19) // 20
    qualify row_number() over (partition by ranked.user_id order by wanted.number) = 1
)
select * from final
order by number
