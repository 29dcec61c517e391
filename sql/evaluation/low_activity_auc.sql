-- AUC of the scores over the pairs of the least active users, counted as in score_auc.
--
-- Grain:      one row
-- Inputs:     ranked_scores, low_activity_users
-- Columns:
--   auc         area under the ROC curve [0 to 1]; null unless both classes occur
--   pairs       pairs of these users [rows]
--   positives   of these, with positive_interaction [rows]
with pairs as (
    select score, positive_interaction as positive
    from ranked_scores
    semi join low_activity_users on ranked_scores.user_id = low_activity_users.user_id
),
scored as (
    select
        score,
        count(*) filter (where positive)      as positives,
        count(*) filter (where not positive)  as negatives
    from pairs
    group by score
),
beaten as (
    select
        *,
        2 * sum(negatives) over (order by score) - negatives as twice
    from scored
),
totals as (
    select
        coalesce(sum(positives), 0)          as positives,
        coalesce(sum(negatives), 0)          as negatives,
        coalesce(sum(positives * twice), 0)  as twice_wins
    from beaten
),
final as (
    select
        1e0 * twice_wins / nullif(2e0 * positives * negatives, 0e0) as auc,
        cast(positives + negatives as bigint)                       as pairs,
        cast(positives as bigint)                                   as positives
    from totals
)
select * from final
