-- Violations of the rule of a score set: one finite score for each test pair, and no other.
--
-- Grain:      one row
-- Inputs:     scores, interactions_test
-- Columns:
--   test_pairs   pairs of interactions_test [rows]
--   missing      of these, without a score [rows]
--   surplus      scored pairs that are not in interactions_test [rows]
--   repeated     scored pairs that stand there more than once [rows]
--   not_finite   scores that are NULL, NaN or infinite [rows]
--   least        the least score; NULL where there is none
--   greatest     the greatest score (NaN counts as greater than any number)
with scored as (
    select
        user_id,
        item_id,
        count(*)    as copies,
        -- The bounds are the largest doubles; NaN is greater than these, on DuckDB and on Spark.
        count(*) filter (where score between -1.7976931348623157e308 and 1.7976931348623157e308) as finite,
        min(score)  as least,
        max(score)  as greatest
    from scores
    group by user_id, item_id
),
wanted as (
    select distinct user_id, item_id, true as wanted from interactions_test
),
final as (
    select
        count(*) filter (where wanted.wanted)                                   as test_pairs,
        count(*) filter (where scored.copies is null)                           as missing,
        count(*) filter (where wanted.wanted is null)                           as surplus,
        count(*) filter (where scored.copies > 1)                               as repeated,
        cast(coalesce(sum(scored.copies - scored.finite), 0) as bigint)         as not_finite,
        min(scored.least)                                                       as least,
        max(scored.greatest)                                                    as greatest
    from scored
    full join wanted on scored.user_id = wanted.user_id and scored.item_id = wanted.item_id
)
select * from final
