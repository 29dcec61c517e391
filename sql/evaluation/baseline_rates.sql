-- Positive rates of videos and of categories in train, smoothed by empirical Bayes: n interactions are drawn towards the
-- mean rate m of their kind as if there were k more at that rate. k is the variance within groups over that between
-- them, by the method of moments (Casella 1985, doi 10.2307/2682801), one k for each kind.
--
-- Grain:      one row a kind and group that occurs in train
-- Inputs:     item_counts, video_metadata
-- Columns:
--   kind   item or category
--   key    id of the video or the category
--   rate   (positives + k * m) / (n + k) [0 to 1]
with listed as (
    select distinct item_id, unnest(feat) as category from video_metadata
),
groups as (
    select 'item' as kind, cast(item_id as bigint) as key, 1e0 * interaction_count as n, 1e0 * positive_count as positives
    from item_counts
    union all
    select
        'category'                                as kind,
        listed.category                           as key,
        1e0 * sum(item_counts.interaction_count)  as n,
        1e0 * sum(item_counts.positive_count)     as positives
    from item_counts
    inner join listed on item_counts.item_id = listed.item_id
    group by listed.category
),
-- Counts are whole: their sums are exact. Quotients are summed as decimals: the order of the rows does not matter.
kinds as (
    select
        kind,
        sum(n)                                                                            as total,
        count(*)                                                                          as groups,
        sum(n * n)                                                                        as squares,
        sum(positives) / nullif(sum(n), 0e0)                                              as mean,
        cast(sum(cast(positives * positives / n as decimal(28, 9))) as double)            as between_squares,
        cast(sum(cast(positives * (n - positives) / n as decimal(28, 9))) as double)      as within
    from groups
    group by kind
),
noises as (
    select *, within / greatest(total - groups, 1e0) as noise from kinds
),
strengths as (
    select
        kind,
        mean,
        noise / greatest(
            (between_squares - total * mean * mean - (groups - 1) * noise) / nullif(total - squares / total, 0e0),
            1e-4 * noise, 1e-12
        ) as strength
    from noises
),
final as (
    select
        groups.kind,
        groups.key,
        (groups.positives + strength * mean) / nullif(groups.n + strength, 0e0) as rate
    from groups
    inner join strengths on groups.kind = strengths.kind
)
select * from final
order by kind, key
