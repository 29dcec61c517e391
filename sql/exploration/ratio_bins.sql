-- A histogram of the watch ratio: bins of 0.05, and one bin from 3 on.
--
-- Grain:      one row a step that occurs
-- Inputs:     interactions
-- Columns:
--   low           watch ratio from which the step counts
--   interactions  within [rows]
--   positives     of these, positive [rows]
--   share_below   share of all interactions with a lower ratio than low: the ECDF to the left of it [0 to 1]
with stepped as (
    select cast(floor(least(watch_ratio, 3e0) * 2e1) as bigint) as step, positive_interaction
    from interactions
),
counted as (
    select step, count(*) as interactions, count(*) filter (where positive_interaction) as positives
    from stepped
    group by step
),
final as (
    select
        step / 2e1 as low,
        interactions,
        positives,
        1e0 * (sum(interactions) over (order by step) - interactions)
            / (select sum(interactions) from counted) as share_below
    from counted
)
select * from final
order by low
