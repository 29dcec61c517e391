-- How evenly interactions are spread over users, and over videos.
--
-- Grain:      one row a side, users or videos
-- Inputs:     interactions
-- Columns:
--   side             users or videos
--   entities         how many are in the log
--   interactions     of all of them [rows]
--   least            of one, the fewest [rows]
--   middle           of one, the median [rows]
--   greatest         of one, the most [rows]
--   top_tenth_share  share of all interactions that the most active tenth has, rounded up to whole entities [0 to 1]
--   gini             Gini coefficient: 0 where all have as many, near 1 where one has all
with counted as (
    select 'users' as side, user_id as id, count(*) as met from interactions group by user_id
    union all
    select 'videos' as side, item_id as id, count(*) as met from interactions group by item_id
),
ranked as (
    select
        side,
        met,
        row_number() over (partition by side order by met, id)  as rank,
        count(*) over (partition by side)                       as entities
    from counted
),
final as (
    select
        side,
        count(*)                  as entities,
        cast(sum(met) as bigint)  as interactions,
        min(met)                  as least,
        median(met)               as middle,
        max(met)                  as greatest,
        1e0 * sum(met) filter (where rank > entities - ceil(entities / 1e1)) / sum(met) as top_tenth_share,
        2e0 * sum(rank * met) / (count(*) * sum(met)) - (count(*) + 1e0) / count(*)     as gini
    from ranked
    group by side
)
select * from final
order by side
