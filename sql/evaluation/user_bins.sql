-- Where each user's pairs stand among all scores: counts in up to 512 steps of the score. With them the AUC of any
-- resample of the users is a weighted sum. A step never holds more than about 1/256 of the warm pairs nor of the cold
-- ones (of different scores), so both are resolved; equal scores always share a step.
--
-- Grain:      one row a user, step, subset and class that occurs
-- Inputs:     ranked_scores
-- Parameters: none
-- Columns:
--   user_id                id of the user
--   bin                    step of the score, rising with it [0 to 511]
--   warm                   whether these are warm pairs
--   positive_interaction   whether these are positive
--   pairs                  how many [rows]
with groups as (
    select
        score,
        count(*) filter (where warm)      as warm_pairs,
        count(*) filter (where not warm)  as cold_pairs
    from ranked_scores
    group by score
),
below as (
    select
        score,
        sum(warm_pairs) over (order by score) - warm_pairs as warm_below,
        sum(cold_pairs) over (order by score) - cold_pairs as cold_below
    from groups
),
totals as (
    select sum(warm_pairs) as warm_pairs, sum(cold_pairs) as cold_pairs from groups
),
bins as (
    select
        score,
        coalesce(256 * warm_below // nullif(warm_pairs, 0), 0)
            + coalesce(256 * cold_below // nullif(cold_pairs, 0), 0) as bin
    from below
    cross join totals
),
final as (
    select
        ranked_scores.user_id,
        cast(bins.bin as integer)  as bin,
        ranked_scores.warm,
        ranked_scores.positive_interaction,
        cast(count(*) as integer)  as pairs
    from ranked_scores
    inner join bins on ranked_scores.score = bins.score
    group by ranked_scores.user_id, bins.bin, ranked_scores.warm, ranked_scores.positive_interaction
)
select * from final
order by user_id, bin, warm, positive_interaction
