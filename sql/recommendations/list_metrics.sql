-- Metrics of the first $top items of each user's list. Users without a positive are left out: their recall and
-- NDCG are undefined. A user with a positive and no list counts with zeros. All as trec_eval has them (P, recall,
-- ndcg_cut, map_cut, success; recip_rank of the cut list). Terms are summed as decimals (15 digits, off by less than
-- 1e-12 a user), because a sum of doubles depends on the order of the rows, and so on the number of threads.
--
-- Grain:      one row a user of ground_truth
-- Inputs:     recommendations, ground_truth
-- Parameters: $top
-- Columns:
--   user_id            id of the user
--   precision          hits / $top, also where the list is shorter [0 to 1]
--   recall             hits / positives of the user [0 to 1]
--   ndcg               DCG / ideal DCG, gain 1 a hit, discount 1 / log2(1 + rank), both cut [0 to 1]
--   average_precision  sum over the hits of the precision at their rank, by all positives of the user: it reaches 1
--                      only where the list has room for them all [0 to 1]
--   reciprocal_rank    1 / rank of the first hit, 0 without one [0 to 1]
--   hit_rate           1 if there is a hit, else 0
with positives as (
    select user_id, row_number() over (partition by user_id order by item_id) as ideal_rank from ground_truth
),
ideal as (
    select
        user_id,
        count(*)                                                              as positives,
        sum(cast(1e0 / nullif(log2(1 + ideal_rank), 0) as decimal(18, 15)))
            filter (where ideal_rank <= $top)                                 as dcg
    from positives
    group by user_id
),
hits as (
    select
        recommendations.user_id,
        recommendations.rank,
        row_number() over (partition by recommendations.user_id order by recommendations.rank) as number
    from recommendations
    semi join ground_truth
        on recommendations.user_id = ground_truth.user_id
        and recommendations.item_id = ground_truth.item_id
    where recommendations.rank <= $top
),
found as (
    select
        user_id,
        count(*)                                                              as hits,
        min(rank)                                                             as first_rank,
        sum(cast(1e0 / nullif(log2(1 + rank), 0) as decimal(18, 15)))         as dcg,
        sum(cast(1e0 * number / nullif(rank, 0) as decimal(18, 15)))          as precisions
    from hits
    group by user_id
),
final as (
    select
        ideal.user_id,
        1e0 * coalesce(found.hits, 0) / nullif($top, 0)                                     as precision,
        1e0 * coalesce(found.hits, 0) / nullif(ideal.positives, 0)                          as recall,
        coalesce(cast(found.dcg as double), 0e0) / nullif(cast(ideal.dcg as double), 0e0)   as ndcg,
        coalesce(cast(found.precisions as double), 0e0) / nullif(ideal.positives, 0)        as average_precision,
        coalesce(1e0 / nullif(found.first_rank, 0), 0e0)                                    as reciprocal_rank,
        case when found.hits > 0 then 1e0 else 0e0 end                                      as hit_rate
    from ideal
    left join found on ideal.user_id = found.user_id
)
select * from final
order by user_id
