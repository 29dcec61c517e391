-- The ranking metrics of a set of scores: plain means over the users, each user counting the same.
-- Means are taken over decimals of 15 digits (off by less than 1e-15), because a sum of doubles depends
-- on the order of the rows, and so on the number of threads.
--
-- Grain:      one row a cutoff; none where no user has a positive
-- Inputs:     user_metrics
-- Columns:
--   cutoff            length of the list that counts [pairs]
--   precision         mean precision [0 to 1]
--   recall            mean recall [0 to 1]
--   ndcg              mean NDCG [0 to 1]
--   users_evaluated   users with at least one positive [users]
with users as (
    select cutoff, precision, recall, ndcg from user_metrics
),
final as (
    select
        cutoff,
        cast(sum(cast(precision as decimal(18, 15))) as double) / nullif(count(*), 0) as precision,
        cast(sum(cast(recall as decimal(18, 15))) as double) / nullif(count(*), 0)    as recall,
        cast(sum(cast(ndcg as decimal(18, 15))) as double) / nullif(count(*), 0)      as ndcg,
        count(*)                                                                      as users_evaluated
    from users
    group by cutoff
)
select * from final
order by cutoff
