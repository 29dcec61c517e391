-- How many users, and how many videos, have about as many interactions: at most 40 steps of equal width from the
-- fewest to the most.
--
-- Grain:      one row a side and step that occurs
-- Inputs:     interactions
-- Columns:
--   side        users or videos
--   step        from 0 [to 39]
--   low         interactions from which the step counts [rows]
--   high        interactions at which the next one begins [rows]
--   entities    users or videos within
with counted as (
    select 'users' as side, user_id as id, count(*) as met from interactions group by user_id
    union all
    select 'videos' as side, item_id as id, count(*) as met from interactions group by item_id
),
spans as (
    select side, min(met) as least, 1e0 * ceil((max(met) - min(met) + 1) / 4e1) as width from counted group by side
),
stepped as (
    select
        counted.side,
        cast(floor((counted.met - spans.least) / spans.width) as bigint) as step,
        spans.least,
        spans.width
    from counted
    inner join spans on counted.side = spans.side
),
final as (
    select
        side,
        step,
        min(least + step * width)        as low,
        min(least + (step + 1) * width)  as high,
        count(*)                         as entities
    from stepped
    group by side, step
)
select * from final
order by side, step
