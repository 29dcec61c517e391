-- How many pairs each user has in each of up to 512 bins of the score. With these counts the AUC of any resample of the
-- users is a weighted sum. A bin holds at most about 1/256 of the warm pairs and of the cold pairs. Equal scores share a
-- bin.
--
-- Grain:      one row a user, step, subset and class that occurs
-- Inputs:     ranked_scores
-- Columns:
--   user_id                id of the user
--   bin                    step of the score, rising with it [0 to 511]
--   warm                   whether these are warm pairs
--   positive_interaction   whether these are positive
--   pairs                  how many [rows]
with totals as (
    select
        count(*) filter (where warm)      as warm_pairs,
        count(*) filter (where not warm)  as cold_pairs
    from ranked_scores
),
-- Rows are numbered, not joined by score: scores may be tied (popularity gives every new video the same one), and a hash
-- join on one key cannot spill in parts.
ranked as (
    select
        user_id,
        warm,
        positive_interaction,
        rank() over (order by score) - 1                    as below,
        rank() over (partition by warm order by score) - 1  as below_alike
    from ranked_scores
),
counted as (
    select
        user_id,
        warm,
        positive_interaction,
        case when warm then below_alike else below - below_alike end  as warm_below,
        case when warm then below - below_alike else below_alike end  as cold_below
    from ranked
),
binned as (
    select
        counted.user_id,
        counted.warm,
        counted.positive_interaction,
        cast(
            coalesce(256 * counted.warm_below // nullif(totals.warm_pairs, 0), 0)
            + coalesce(256 * counted.cold_below // nullif(totals.cold_pairs, 0), 0)
            as integer
        ) as bin
    from counted
    cross join totals
),
final as (
    select
        user_id,
        bin,
        warm,
        positive_interaction,
        cast(count(*) as integer) as pairs
    from binned
    group by user_id, bin, warm, positive_interaction
)
select * from final
order by user_id, bin, warm, positive_interaction
