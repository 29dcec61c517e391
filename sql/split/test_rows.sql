-- How many rows after the cut are tested, left out or merged, and how many rows have the time of the cut.
--
-- Grain:      one row
-- Inputs:     interactions, split, interactions_train, interactions_test
-- Columns:
--   test_rows  interactions after the cut [rows]
--   left_out   of these, of users who are not in train [rows]
--   merged     of the others, in one row with another of the same pair [rows]
--   pairs      rows of interactions_test
--   tied       interactions of the time of the last train row, or without one where that row has none [rows]
--   tied_test  of tied, after the cut [rows]; the cut falls among rows of one time where there are any
with test as (
    select count(*) as pairs, coalesce(sum(interaction_count), 0) as met from interactions_test
),
-- An equality, not a range: if the log is sorted, DuckDB skips the other row groups.
alike as (
    select count(*) as found from interactions as log
    join split on log.timestamp = split.cut_timestamp
),
alike_train as (
    select count(*) as found from interactions_train as log
    join split on log.timestamp = split.cut_timestamp
),
train as (
    select count(*) - count(timestamp) as null_timestamps from interactions_train
),
counted as (
    select
        split.n - split.cut_index                                                        as test_rows,
        test.met,
        test.pairs,
        case when split.cut_timestamp is null then split.null_timestamps else alike.found end    as tied,
        case when split.cut_timestamp is null then train.null_timestamps else alike_train.found end  as tied_train
    from split
    cross join test
    cross join alike
    cross join alike_train
    cross join train
),
final as (
    select
        cast(test_rows as bigint)          as test_rows,
        cast(test_rows - met as bigint)    as left_out,
        cast(met - pairs as bigint)        as merged,
        cast(pairs as bigint)              as pairs,
        cast(tied as bigint)               as tied,
        cast(tied - tied_train as bigint)  as tied_test
    from counted
)
select * from final
