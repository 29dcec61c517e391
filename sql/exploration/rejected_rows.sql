-- Rows that are left out or merged, and why.
--
-- Grain:      one row a rule, in the order in which they are applied
-- Inputs:     interactions, test_rows, item_daily
-- Parameters: $null_timestamps
-- Columns:
--   step      from 1
--   what      rows that the rule is about
--   why       what becomes of them, and why
--   rejected  how many [rows]
--   of        out of how many [rows]
with log as (
    select count(*) as kept, sum(copies) as read, count(*) - count(timestamp) as null_timestamps from interactions
),
days as (
    select count(*) as kept, coalesce(sum(copies), 0) as read from item_daily
),
listed as (
    select 1 as step, 'log: exact copies of another row' as what, 'dropped: they say nothing new' as why,
        read - kept as rejected, read as of from log
    union all
    select 2 as step, 'log: no timestamp' as what,
        case when $null_timestamps = 'drop' then 'left out, as --null-timestamps drop asks'
            else 'kept, after all others in time' end as why,
        case when $null_timestamps = 'drop' then null_timestamps else 0 end as rejected, kept as of from log
    union all
    select 3 as step, 'test rows: of users who are not in train' as what,
        'left out: there is nothing to rank by' as why, left_out as rejected, test_rows as of from test_rows
    union all
    select 4 as step, 'test rows: a pair met again' as what, 'one pair, positive if any was: a video is listed once' as why,
        merged as rejected, test_rows - left_out as of from test_rows
    union all
    select 5 as step, 'daily counts: the same video and day again' as what, 'one row, with the greatest counts' as why,
        read - kept as rejected, read as of from days
),
final as (
    select step, what, why, cast(rejected as bigint) as rejected, cast(of as bigint) as of from listed
)
select * from final
order by step
