-- Rows that do not count, or not as they stand in the files, and why.
--
-- Grain:      one row a rule, in the order in which they are applied
-- Inputs:     interactions, split, interactions_test, item_days
-- Parameters: $null_timestamps
-- Columns:
--   step      from 1
--   what      rows that the rule is about
--   why       what becomes of them, and why
--   rejected  how many [rows]; NULL where the protocol has no use for the rule
--   of        out of how many [rows]
with log as (
    select count(*) as kept, sum(copies) as read, count(*) - count(timestamp) as untimed from interactions
),
test as (
    select count(*) as pairs, coalesce(sum(interaction_count), 0) as met from interactions_test
),
days as (
    select count(*) as kept, coalesce(sum(copies), 0) as read from item_days
),
listed as (
    select 1 as step, 'log: exact copies of another row' as what, 'dropped: they say nothing new' as why,
        read - kept as rejected, read as of from log
    union all
    select 2 as step, 'log: no timestamp' as what,
        case when $null_timestamps = 'drop' then 'left out, as --null-timestamps drop asks'
            else 'kept, after all others in time' end as why,
        case when $null_timestamps = 'drop' then untimed else 0 end as rejected, kept as of from log
    union all
    -- All of the log is train where another log is tested on.
    select 3 as step, 'test period: of users who are not in train' as what,
        'left out: there is nothing to rank by' as why,
        case when split.n > split.cut_index then split.n - split.cut_index - test.met end as rejected,
        split.n - split.cut_index as of from split cross join test
    union all
    select 4 as step, 'test period: a pair met again' as what, 'one pair, positive if any was: a video is listed once' as why,
        met - pairs as rejected, met as of from test
    union all
    select 5 as step, 'daily counts: the same video and day again' as what, 'one row, with the greatest counts' as why,
        read - kept as rejected, read as of from days
),
final as (
    select step, what, why, cast(rejected as bigint) as rejected, cast(of as bigint) as of from listed
)
select * from final
order by step
