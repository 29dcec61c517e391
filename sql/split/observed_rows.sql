-- How many rows of small_matrix are tested, left out or merged, under the protocol big-to-small; in place of test_rows.
--
-- Grain:      one row
-- Inputs:     observed_interactions, interactions_test
-- Columns:
--   test_rows  interactions of the log [rows]
--   left_out   of these, of users who are not in train [rows]
--   merged     of the others, in one row with another of the same pair [rows]
--   pairs      rows of interactions_test
--   tied       0: nothing is cut
--   tied_test  0
with log as (
    select count(*) as test_rows from observed_interactions
),
test as (
    select count(*) as pairs, coalesce(sum(interaction_count), 0) as met from interactions_test
),
final as (
    select
        cast(test_rows as bigint)        as test_rows,
        cast(test_rows - met as bigint)  as left_out,
        cast(met - pairs as bigint)      as merged,
        cast(pairs as bigint)            as pairs,
        cast(0 as bigint)                as tied,
        cast(0 as bigint)                as tied_test
    from log
    cross join test
)
select * from final
