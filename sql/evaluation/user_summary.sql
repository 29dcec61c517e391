-- The metrics of each user's list, which a comparison of two score sets resamples.
--
-- Grain:      one row a user of ranked_scores
-- Inputs:     ranked_scores, user_metrics, subset_metrics, low_activity_users
-- Columns:
--   user_id        id of the user
--   low_activity   whether the user is in low_activity_users
--   ndcg_10        NDCG@10 [0 to 1]; NULL where the user has no positive
--   ndcg_50        NDCG@50 [0 to 1]; NULL where the user has no positive
--   precision_10   precision@10 [0 to 1]; NULL where the user has no positive
--   recall_50      recall@50 [0 to 1]; NULL where the user has no positive
--   warm_ndcg_10   NDCG@10 among the warm pairs [0 to 1]; NULL where none of them is positive
--   cold_ndcg_10   NDCG@10 among the cold pairs [0 to 1]; NULL where none of them is positive
with users as (
    select distinct user_id from ranked_scores
),
lists as (
    select
        user_id,
        max(ndcg) filter (where cutoff = 10)       as ndcg_10,
        max(ndcg) filter (where cutoff = 50)       as ndcg_50,
        max(precision) filter (where cutoff = 10)  as precision_10,
        max(recall) filter (where cutoff = 50)     as recall_50
    from user_metrics
    group by user_id
),
subsets as (
    select
        user_id,
        max(ndcg) filter (where warm)      as warm_ndcg_10,
        max(ndcg) filter (where not warm)  as cold_ndcg_10
    from subset_metrics
    group by user_id
),
final as (
    select
        users.user_id,
        low_activity_users.user_id is not null as low_activity,
        lists.ndcg_10,
        lists.ndcg_50,
        lists.precision_10,
        lists.recall_50,
        subsets.warm_ndcg_10,
        subsets.cold_ndcg_10
    from users
    left join lists on users.user_id = lists.user_id
    left join subsets on users.user_id = subsets.user_id
    left join low_activity_users on users.user_id = low_activity_users.user_id
)
select * from final
order by user_id
