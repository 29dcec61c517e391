-- AUC of the scores: the chance that a positive pair scores higher than a negative one, a tie counting half.
-- By midranks: a positive beats the negatives below it and half of those at its score. Twice this number is whole, so
-- nothing is rounded before the division, and the order of the rows does not matter.
--
-- Grain:      one row a subset, always these three: all, warm items, cold items
-- Inputs:     ranked_scores
-- Columns:
--   subset      all; warm items: the warm pairs; cold items: the others
--   auc         area under the ROC curve [0 to 1]; null unless both classes occur
--   pairs       pairs of the subset [rows]
--   positives   of these, with positive_interaction [rows]
with pairs as (
    select score, positive_interaction as positive, warm from ranked_scores
),
scored as (
    select
        score,
        count(*) filter (where positive and warm)           as warm_positives,
        count(*) filter (where not positive and warm)       as warm_negatives,
        count(*) filter (where positive and not warm)       as cold_positives,
        count(*) filter (where not positive and not warm)   as cold_negatives
    from pairs
    group by score
),
beaten as (
    select
        *,
        2 * sum(warm_negatives) over (order by score) - warm_negatives as twice_warm,
        2 * sum(cold_negatives) over (order by score) - cold_negatives as twice_cold
    from scored
),
subsets as (
    select 'all' as subset, 1 as with_warm, 1 as with_cold
    union all select 'warm items' as subset, 1 as with_warm, 0 as with_cold
    union all select 'cold items' as subset, 0 as with_warm, 1 as with_cold
),
totals as (
    select
        coalesce(sum(warm_positives), 0)              as warm_positives,
        coalesce(sum(warm_negatives), 0)              as warm_negatives,
        coalesce(sum(cold_positives), 0)              as cold_positives,
        coalesce(sum(cold_negatives), 0)              as cold_negatives,
        coalesce(sum(warm_positives * twice_warm), 0) as warm_by_warm,
        coalesce(sum(cold_positives * twice_cold), 0) as cold_by_cold,
        coalesce(sum(warm_positives * twice_cold + cold_positives * twice_warm), 0) as mixed
    from beaten
),
counted as (
    select
        subset,
        with_warm * warm_positives + with_cold * cold_positives                            as positives,
        with_warm * warm_negatives + with_cold * cold_negatives                            as negatives,
        with_warm * warm_by_warm + with_cold * cold_by_cold + with_warm * with_cold * mixed as twice_wins
    from subsets
    cross join totals
),
final as (
    select
        subset,
        1e0 * twice_wins / nullif(2e0 * positives * negatives, 0e0) as auc,
        cast(positives + negatives as bigint)                       as pairs,
        cast(positives as bigint)                                   as positives
    from counted
)
select * from final
order by subset
