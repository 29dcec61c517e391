-- The range of a set of scores that holds one for each test pair.
--
-- Grain:      one row
-- Inputs:     scores
-- Columns:
--   not_finite   scores that are NULL, NaN or infinite [rows]
--   least        the least score; NULL where there is none
--   greatest     the greatest score (NaN counts as greater than any number)
with final as (
    select
        -- The bounds are the largest doubles; NaN is greater than these, on DuckDB and on Spark.
        count(*) filter (where score is null or not score between -1.7976931348623157e308 and 1.7976931348623157e308)
                    as not_finite,
        min(score)  as least,
        max(score)  as greatest
    from scores
)
select * from final
