-- How far scores that are probabilities are from what happened, over all pairs.
--
-- Grain:      one row
-- Inputs:     calibration_bins
-- Columns:
--   pairs                        scored pairs [rows]
--   log_loss                     mean of -ln(probability given to the class that occurred) [nat]
--   brier                        mean squared distance of score and class [0 to 1]
--   expected_calibration_error   mean over the pairs of |mean score - share of positives| of their step [0 to 1]
with weighted as (
    select
        pairs,
        cast(pairs * log_loss as decimal(28, 15))                          as log_loss,
        cast(pairs * brier as decimal(28, 15))                             as brier,
        cast(pairs * abs(mean_score - positive_share) as decimal(28, 15))  as distance
    from calibration_bins
),
final as (
    select
        cast(sum(pairs) as bigint)                                as pairs,
        cast(sum(log_loss) as double) / nullif(sum(pairs), 0)     as log_loss,
        cast(sum(brier) as double) / nullif(sum(pairs), 0)        as brier,
        cast(sum(distance) as double) / nullif(sum(pairs), 0)     as expected_calibration_error
    from weighted
)
select * from final
