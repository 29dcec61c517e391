-- Violations of the rule of candidates: each source's list is there without gaps, not only its videos among the first of
-- the union. Else a source alone, or the union without another, would look worse than it is.
--
-- Grain:      one row
-- Inputs:     candidates
-- Columns:
--   partial   users whose ranks, in the union or by a source, do not go from 1 to their number [users]
with users as (
    select
        user_id,
        count(*) as rows_of_user, max(rank) as last_rank,
        count(rank_watch_time) as c0, coalesce(max(rank_watch_time), 0) as m0,
        count(rank_als) as c1, coalesce(max(rank_als), 0) as m1,
        count(rank_popular) as c2, coalesce(max(rank_popular), 0) as m2,
        count(rank_categories) as c3, coalesce(max(rank_categories), 0) as m3,
        count(rank_similar) as c4, coalesce(max(rank_similar), 0) as m4,
        count(rank_new) as c5, coalesce(max(rank_new), 0) as m5
    from candidates
    group by user_id
),
final as (
    select
        count(*) filter (
            where rows_of_user <> last_rank or c0 <> m0 or c1 <> m1 or c2 <> m2 or c3 <> m3 or c4 <> m4 or c5 <> m5
        ) as partial
    from users
)
select * from final
