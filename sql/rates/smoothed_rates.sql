-- Positive rates and mean watch ratios of users, videos, and groups of videos, smoothed by empirical Bayes: a group of
-- n interactions is drawn towards the mean of its kind as if it had k more at that mean. k is the ratio of the variance
-- within groups to that between them, by the method of moments (Casella 1985, doi 10.2307/2682801), one for each kind.
--
-- Grain:      one row a kind of group and group
-- Inputs:     watch_times, item_stats
-- Columns:
--   kind          user, item, author, duration, category, caption_1..caption_3, tag or upload
--   key           which one: its id or number
--   interactions  its interactions in the history [rows]
--   rate          smoothed positive rate [0 to 1]
--   ratio         smoothed mean of the watch ratios, each cut at 5
--   prior_rate    mean positive rate of all groups of the kind [0 to 1]
with members as (
    select 'user' as kind, cast(user_id as bigint) as key, interactions, positives, ratio_millis from watch_times
    union all select 'item', item_id, interactions, positives, ratio_millis from item_stats
    union all select 'author', author_id, interactions, positives, ratio_millis from item_stats
    union all select 'duration', duration_bucket, interactions, positives, ratio_millis from item_stats
    union all select 'category', category_1, interactions, positives, ratio_millis from item_stats
    union all select 'category', category_2, interactions, positives, ratio_millis from item_stats
    union all select 'category', category_3, interactions, positives, ratio_millis from item_stats
    union all select 'category', category_4, interactions, positives, ratio_millis from item_stats
    union all select 'caption_1', caption_level_1, interactions, positives, ratio_millis from item_stats
    union all select 'caption_2', caption_level_2, interactions, positives, ratio_millis from item_stats
    union all select 'caption_3', caption_level_3, interactions, positives, ratio_millis from item_stats
    union all select 'tag', tag_id, interactions, positives, ratio_millis from item_stats
    union all select 'upload', upload_type, interactions, positives, ratio_millis from item_stats
),
groups as (
    select
        kind, key, 1e0 * sum(interactions) as n, 1e0 * sum(positives) / sum(interactions) as mean,
        1e0 * sum(ratio_millis) / 1e3 / sum(interactions) as ratio
    from members
    where key is not null
    group by kind, key
),
-- Sums of doubles depend on the order of the rows; sums of decimals do not.
kinds as (
    select
        kind, count(*) as groups, sum(n) as total, cast(sum(cast(n * n as decimal(28, 0))) as double) as squares,
        cast(sum(cast(n * mean as decimal(28, 6))) as double) / sum(n)                as prior,
        cast(sum(cast(n * ratio as decimal(28, 6))) as double) / sum(n)               as prior_ratio,
        cast(sum(cast(n * mean * mean as decimal(28, 6))) as double)                  as mean_squares,
        cast(sum(cast(n * mean * (1 - mean) as decimal(28, 6))) as double)            as within
    from groups
    group by kind
),
moments as (
    -- If no group has two interactions, we take the variance of all interactions together.
    select
        * exclude (within),
        case when total > groups then within else total * prior * (1 - prior) end as within,
        case when total > groups then total - groups else total end               as freedom
    from kinds
),
strengths as (
    select
        kind, prior, prior_ratio,
        (within / freedom) / greatest(
            ((mean_squares - total * prior * prior) - (groups - 1) * within / freedom) / nullif(total - squares / total, 0e0),
            1e-4 * (within / freedom), 1e-12
        ) as strength
    from moments
),
final as (
    select
        kind, key, cast(n as bigint) as interactions,
        (n * mean + strength * prior) / (n + strength)         as rate,
        (n * ratio + strength * prior_ratio) / (n + strength)  as ratio,
        prior                                                  as prior_rate
    from groups
    join strengths using (kind)
)
select * from final
order by kind, key
