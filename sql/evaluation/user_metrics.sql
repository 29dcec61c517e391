-- Precision, recall and NDCG of each user's list at each of $cutoffs (whole numbers of 1 or more).
-- Users without a positive are left out: their recall and NDCG are undefined. A positive without a score
-- is a miss. Discounts are summed as decimals (15 digits, off by less than 1e-12 a user), because a sum
-- of doubles depends on the order of the rows, and so on the number of threads.
--
-- Grain:      one row a user of test_positives and cutoff
-- Inputs:     ranked_scores, test_positives
-- Parameters: $cutoffs
-- Columns:
--   user_id     id of the user
--   cutoff      length of the list that counts [pairs]
--   hits        positives within the cutoff [rows]
--   precision   hits / cutoff, also where the user has fewer pairs than that [0 to 1]
--   recall      hits / positives of the user [0 to 1]
--   ndcg        DCG / ideal DCG, gain 1 a hit, discount 1 / log2(1 + rank), both cut [0 to 1]
with positives as (
    select
        user_id,
        row_number() over (partition by user_id order by item_id) as ideal_rank
    from test_positives
),
cutoffs as (
    select distinct cast(listed.cutoff as integer) as cutoff
    from (select unnest($cutoffs) as cutoff) as listed
),
found as (
    select
        ranked_scores.user_id,
        cutoffs.cutoff,
        count(*)                                                                      as hits,
        sum(cast(1e0 / nullif(log2(1 + ranked_scores.rank), 0) as decimal(18, 15)))   as dcg
    from ranked_scores
    inner join cutoffs on ranked_scores.rank <= cutoffs.cutoff
    where ranked_scores.positive_interaction
    group by ranked_scores.user_id, cutoffs.cutoff
),
-- The best list there can be: all positives of the user first.
ideal as (
    select
        positives.user_id,
        cutoffs.cutoff,
        count(*)                                                                      as positive_count,
        sum(cast(1e0 / nullif(log2(1 + positives.ideal_rank), 0) as decimal(18, 15)))
            filter (where positives.ideal_rank <= cutoffs.cutoff)                     as dcg
    from positives
    cross join cutoffs
    group by positives.user_id, cutoffs.cutoff
),
final as (
    select
        ideal.user_id,
        ideal.cutoff,
        coalesce(found.hits, 0)                                                              as hits,
        1e0 * coalesce(found.hits, 0) / nullif(ideal.cutoff, 0)                              as precision,
        1e0 * coalesce(found.hits, 0) / nullif(ideal.positive_count, 0)                      as recall,
        coalesce(cast(found.dcg as double), 0e0) / nullif(cast(ideal.dcg as double), 0e0)    as ndcg
    from ideal
    left join found on ideal.user_id = found.user_id and ideal.cutoff = found.cutoff
)
select * from final
order by user_id, cutoff
