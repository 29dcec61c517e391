-- Every scored test pair with its place in its user's list.
-- Equal scores are ranked by item_id, so that the list never depends on the order of the rows.
--
-- Grain:      one row a pair of scores
-- Inputs:     scores, test_positives
-- Parameters: none
-- Columns:
--   user_id                id of the user
--   item_id                id of the video
--   score                  the ranker's score, higher is better [no unit]
--   rank                   place in the user's list, 1 is the best [places]
--   positive_interaction   whether the pair is in test_positives
with pairs as (
    select user_id, item_id, score from scores
),
positives as (
    select user_id, item_id from test_positives
),
final as (
    select
        pairs.user_id,
        pairs.item_id,
        pairs.score,
        cast(row_number() over (
            partition by pairs.user_id order by pairs.score desc, pairs.item_id
        ) as integer)                 as rank,
        positives.item_id is not null as positive_interaction
    from pairs
    left join positives
        on pairs.user_id = positives.user_id and pairs.item_id = positives.item_id
)
select * from final
order by user_id, rank
