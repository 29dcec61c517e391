-- Calibration of scores that are probabilities: pairs in ten bins of equal count by score, with the mean score and the
-- share of positives of each. Equal scores share a bin. Sums are taken over decimals of 15 digits, because a sum of
-- doubles depends on the order of the rows.
--
-- Grain:      one row a step that holds a pair
-- Inputs:     ranked_scores
-- Columns:
--   bin             step, 1 holds the lowest scores [1 to 10]
--   pairs           pairs of the step [rows]
--   mean_score      mean of their scores [0 to 1]
--   positive_share  share of them with positive_interaction [0 to 1]
--   brier           mean squared distance of score and class [0 to 1]
--   log_loss        mean of -ln(probability given to the class that occurred), which counts as at least 2^-52 [nat]
with counted as (
    select count(*) as pairs from ranked_scores
),
-- Rows are numbered, not joined by score: tied scores would make such a join skewed.
numbered as (
    select
        score,
        positive_interaction                                                          as positive,
        case when positive_interaction then score else 1e0 - score end                as given,
        rank() over (order by score) - 1                                              as below
    from ranked_scores
),
told as (
    select
        numbered.score,
        numbered.positive,
        numbered.given,
        cast(1 + 10 * numbered.below // nullif(counted.pairs, 0) as integer)          as bin
    from numbered
    cross join counted
),
final as (
    select
        bin,
        count(*)                                                                      as pairs,
        cast(sum(cast(score as decimal(18, 15))) as double) / nullif(count(*), 0)     as mean_score,
        1e0 * count(*) filter (where positive) / nullif(count(*), 0)                  as positive_share,
        cast(sum(cast((1e0 - given) * (1e0 - given) as decimal(18, 15))) as double)
            / nullif(count(*), 0)                                                     as brier,
        cast(sum(cast(-ln(greatest(given, 2.220446049250313e-16)) as decimal(18, 15))) as double)
            / nullif(count(*), 0)                                                     as log_loss
    from told
    group by bin
)
select * from final
order by bin
