-- How many interactions would be positive at other thresholds of the watch ratio.
--
-- Grain:      one row a threshold
-- Inputs:     interactions
-- Columns:
--   threshold     of the watch ratio
--   reached       interactions that reach it [rows]
--   interactions  all [rows]
--   share         reached / interactions [0 to 1]
with counted as (
    select
        count(*)                                  as interactions,
        count(*) filter (where watch_ratio >= 0.5) as half,
        count(*) filter (where watch_ratio >= 1)   as once,
        count(*) filter (where watch_ratio >= 2)   as twice
    from interactions
),
listed as (
    select 5e-1 as threshold, half as reached, interactions from counted
    union all
    select 1e0 as threshold, once as reached, interactions from counted
    union all
    select 2e0 as threshold, twice as reached, interactions from counted
),
final as (
    select threshold, reached, interactions, 1e0 * reached / nullif(interactions, 0) as share from listed
)
select * from final
order by threshold
