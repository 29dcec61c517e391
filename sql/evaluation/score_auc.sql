-- AUC of the scores: the chance that a positive pair scores higher than a negative one, a tie counting half.
-- It is what midranks give: a positive beats the negatives below it and half of those at its own score.
-- Doubled, that is a whole number, so nothing is rounded before the division and no order of rows matters.
--
-- Grain:      one row a subset, always these three: all, warm items, cold items
-- Inputs:     ranked_scores, item_index
-- Parameters: none
-- Columns:
--   subset      all; warm items: pairs whose item is in item_index; cold items: the others
--   auc         area under the ROC curve [0 to 1]; null unless both classes occur
--   pairs       pairs of the subset [rows]
--   positives   of these, with positive_interaction [rows]
with items as (
    select item_id from item_index
),
-- One row a score and temperature, so that no pair is kept twice below.
scored as (
    select
        ranked_scores.score,
        items.item_id is not null                                        as warm,
        count(*) filter (where ranked_scores.positive_interaction)       as positives,
        count(*) filter (where not ranked_scores.positive_interaction)   as negatives
    from ranked_scores
    left join items on ranked_scores.item_id = items.item_id
    group by ranked_scores.score, items.item_id is not null
),
subset_scores as (
    select 'all' as subset, score, sum(positives) as positives, sum(negatives) as negatives
    from scored
    group by score
    union all
    select case when warm then 'warm items' else 'cold items' end as subset, score, positives, negatives
    from scored
),
beaten as (
    select *, 2 * sum(negatives) over (partition by subset order by score) - negatives as twice_beaten
    from subset_scores
),
counted as (
    select
        subset,
        cast(sum(positives) as bigint)           as positives,
        cast(sum(negatives) as bigint)           as negatives,
        1e0 * sum(positives * twice_beaten) / 2  as wins
    from beaten
    group by subset
),
subsets as (
    select 'all' as subset
    union all select 'warm items' as subset
    union all select 'cold items' as subset
),
final as (
    select
        subsets.subset,
        counted.wins / nullif(1e0 * counted.positives * counted.negatives, 0)  as auc,
        coalesce(counted.positives + counted.negatives, 0)                     as pairs,
        coalesce(counted.positives, 0)                                         as positives
    from subsets
    left join counted on subsets.subset = counted.subset
)
select * from final
order by subset
