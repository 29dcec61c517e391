-- NDCG@10 of lists made of a user's warm pairs alone, and of the cold ones alone.
-- Users without a positive in the subset are left out: their NDCG is undefined. Discounts are summed as decimals,
-- as in user_metrics.
--
-- Grain:      one row a user and subset with a positive
-- Inputs:     ranked_scores
-- Columns:
--   user_id  id of the user
--   warm     whether the list is made of warm pairs; if not, of cold ones
--   ndcg     DCG / ideal DCG, gain 1 a hit, discount 1 / log2(1 + rank), both cut after 10 ranks [0 to 1]
with positives as (
    select
        user_id,
        warm,
        subset_rank,
        row_number() over (partition by user_id, warm order by subset_rank) as ideal_rank
    from ranked_scores
    where positive_interaction
),
discounts as (
    select
        user_id,
        warm,
        sum(cast(1e0 / nullif(log2(1 + subset_rank), 0) as decimal(18, 15))) filter (where subset_rank <= 10) as dcg,
        sum(cast(1e0 / nullif(log2(1 + ideal_rank), 0) as decimal(18, 15))) filter (where ideal_rank <= 10)   as ideal
    from positives
    group by user_id, warm
),
final as (
    select
        user_id,
        warm,
        coalesce(cast(dcg as double), 0e0) / nullif(cast(ideal as double), 0e0) as ndcg
    from discounts
)
select * from final
order by user_id, warm
