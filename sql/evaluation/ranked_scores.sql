-- Every scored test pair with its rank in its user's list, and in the list of the user's warm or cold pairs alone.
-- Equal scores are ranked by item_id, so that the list never depends on the order of the rows.
--
-- Grain:      one row a pair of scores
-- Inputs:     scores, test_positives, item_index
-- Columns:
--   user_id                id of the user
--   item_id                id of the video
--   score                  the ranker's score, higher is better [no unit]
--   rank                   rank in the user's list, 1 is the best
--   warm                   whether the video is in item_index: it occurs in train
--   subset_rank            rank among the user's pairs that are as warm as this one
--   positive_interaction   whether the pair is in test_positives
with pairs as (
    select
        scores.user_id,
        scores.item_id,
        scores.score,
        item_index.item_id is not null      as warm,
        test_positives.item_id is not null  as positive_interaction
    from scores
    left join item_index on scores.item_id = item_index.item_id
    left join test_positives
        on scores.user_id = test_positives.user_id and scores.item_id = test_positives.item_id
),
-- Both ranks in one pass: the second counts the warm (or cold) pairs among the user's first n.
ranked as (
    select
        *,
        row_number() over (partition by user_id order by score desc, item_id)      as rank,
        sum(case when warm then 1 else 0 end) over (
            partition by user_id order by score desc, item_id
            rows between unbounded preceding and current row
        )                                                                          as warm_through
    from pairs
),
final as (
    select
        user_id,
        item_id,
        score,
        cast(rank as integer)                                                          as rank,
        warm,
        cast(case when warm then warm_through else rank - warm_through end as integer) as subset_rank,
        positive_interaction
    from ranked
)
select * from final
order by user_id, rank
