-- Recall of the candidates at $cutoffs, by each source alone and by the union; and what the union would lose without a
-- source. Means over the users with a positive, all of equal weight. Shares are summed as decimals, because a sum of doubles depends on the order of the rows.
--
-- Grain:      one row a cutoff and source; the source union is all of them together
-- Inputs:     candidate_ranks, ground_truth, source_shares
-- Parameters: $cutoffs
-- Columns:
--   cutoff   candidates a user [videos]
--   source   name of the source, or union
--   recall   mean share of a user's positives that are among the first candidates of the source alone [0 to 1]
--   added    recall of the union less that of the union made without the source [-1 to 1]; NULL for the union itself
with users as (
    select user_id, count(*) as positives from ground_truth group by user_id
),
total as (
    select count(*) as users from users
),
ranks as (
    select user_id, 'union' as source, rank, cast(null as integer) as rank_without from candidate_ranks
    union all
    select
        user_id,
        source,
        case source
            when 'watch_time' then rank_watch_time when 'als' then rank_als when 'popular' then rank_popular
            when 'categories' then rank_categories when 'similar' then rank_similar when 'new' then rank_new
        end as rank,
        case source
            when 'watch_time' then without_watch_time when 'als' then without_als when 'popular' then without_popular
            when 'categories' then without_categories when 'similar' then without_similar when 'new' then without_new
        end as rank_without
    from candidate_ranks
    cross join source_shares
),
cells as (
    select distinct cutoff, source
    from (select unnest($cutoffs) as cutoff) as listed
    cross join (select source from source_shares union all select 'union' as source) as sources
),
found as (
    select
        cells.cutoff, cells.source, ranks.user_id,
        count(*) filter (where rank <= cutoff)         as hits,
        count(*) filter (where rank_without <= cutoff) as hits_without
    from cells
    inner join ranks on cells.source = ranks.source
    group by cells.cutoff, cells.source, ranks.user_id
),
sums as (
    select
        cutoff, source,
        cast(sum(cast(1e0 * hits / nullif(positives, 0) as decimal(18, 15))) as double)         as recall,
        cast(sum(cast(1e0 * hits_without / nullif(positives, 0) as decimal(18, 15))) as double) as recall_without
    from found
    inner join users on found.user_id = users.user_id
    group by cutoff, source
),
final as (
    select
        cast(cells.cutoff as integer) as cutoff, cells.source,
        coalesce(sums.recall, 0e0) / nullif(total.users, 0) as recall,
        case when cells.source <> 'union' then
            (coalesce(whole.recall, 0e0) - coalesce(sums.recall_without, 0e0)) / nullif(total.users, 0)
        end as added
    from cells
    cross join total
    left join sums on cells.cutoff = sums.cutoff and cells.source = sums.source
    left join sums as whole on cells.cutoff = whole.cutoff and whole.source = 'union'
)
select * from final
order by cutoff, source
