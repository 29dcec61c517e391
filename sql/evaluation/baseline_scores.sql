-- The test pairs scored by the simplest recommenders, one column each.
-- Random scores are spread by arithmetic modulo the prime 2^31 - 1, whose fifth power is a permutation: the same
-- numbers on every machine and engine, whatever the order of the rows.
--
-- Grain:      one row a test pair
-- Inputs:     interactions_test, item_baselines
-- Columns:
--   user_id        id of the user
--   item_id        id of the video
--   random         a number that knows nothing [0 to 2^31 - 2]
--   popularity     interactions of the video in train [rows]
--   positive_rate  smoothed positive rate of the video in train [0 to 1]
--   category_rate  mean smoothed positive rate of the video's categories [0 to 1]
--   shortness      minus the length of the video [ms]
with pairs as (
    select
        user_id,
        item_id,
        (cast(user_id as bigint) * 1597334677 % 2147483647 + cast(item_id as bigint) * 1103515245 % 2147483647 + 42)
            % 2147483647 as x
    from interactions_test
),
squared as (
    select user_id, item_id, x, x * x % 2147483647 as square from pairs
),
final as (
    select
        squared.user_id,
        squared.item_id,
        cast(square * square % 2147483647 * x % 2147483647 as double)  as random,
        cast(item_baselines.popularity as double)                      as popularity,
        item_baselines.positive_rate,
        item_baselines.category_rate,
        cast(item_baselines.shortness as double)                       as shortness
    from squared
    inner join item_baselines on squared.item_id = item_baselines.item_id
)
select * from final
order by user_id, item_id
