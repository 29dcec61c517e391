-- The rank of each positive among its user's candidates: in the union of all sources, by each source alone, and in the
-- union without each source. In a union, a video's priority is its least rank / share over the sources; ties go to the
-- lower item_id. A source without a share takes no part.
--
-- Grain:      one row a pair of ground_truth that is among the candidates
-- Inputs:     candidates, ground_truth, source_shares
-- Columns:
--   user_id             id of the user
--   item_id             id of the video
--   rank                rank in the union, from 1
--   rank_watch_time     rank by watch_time alone, from 1; NULL where it did not retrieve the video
--   rank_als            rank by als alone, from 1; NULL where it did not retrieve the video
--   rank_popular        rank by popular alone, from 1; NULL where it did not retrieve the video
--   rank_categories     rank by categories alone, from 1; NULL where it did not retrieve the video
--   rank_similar        rank by similar alone, from 1; NULL where it did not retrieve the video
--   rank_new            rank by new alone, from 1; NULL where it did not retrieve the video
--   without_watch_time  rank in the union without watch_time, from 1; NULL where no other retrieved the video
--   without_als         rank in the union without als, from 1; NULL where no other retrieved the video
--   without_popular     rank in the union without popular, from 1; NULL where no other retrieved the video
--   without_categories  rank in the union without categories, from 1; NULL where no other retrieved the video
--   without_similar     rank in the union without similar, from 1; NULL where no other retrieved the video
--   without_new         rank in the union without new, from 1; NULL where no other retrieved the video
with users as (
    select distinct user_id from ground_truth
),
shares as (
    select
        max(share) filter (where source = 'watch_time') as s0, max(share) filter (where source = 'als') as s1,
        max(share) filter (where source = 'popular') as s2, max(share) filter (where source = 'categories') as s3,
        max(share) filter (where source = 'similar') as s4, max(share) filter (where source = 'new') as s5
    from source_shares
),
priorities as (
    select
        candidates.user_id, candidates.item_id,
        1e0 * rank_watch_time / nullif(s0, 0e0) as p0, 1e0 * rank_als / nullif(s1, 0e0) as p1,
        1e0 * rank_popular / nullif(s2, 0e0) as p2, 1e0 * rank_categories / nullif(s3, 0e0) as p3,
        1e0 * rank_similar / nullif(s4, 0e0) as p4, 1e0 * rank_new / nullif(s5, 0e0) as p5
    from candidates
    semi join users on candidates.user_id = users.user_id
    cross join shares
),
remaining as (
    select
        user_id, item_id,
        least(p1, p2, p3, p4, p5) as q0, least(p0, p2, p3, p4, p5) as q1, least(p0, p1, p3, p4, p5) as q2,
        least(p0, p1, p2, p4, p5) as q3, least(p0, p1, p2, p3, p5) as q4, least(p0, p1, p2, p3, p4) as q5
    from priorities
),
-- The ranks join the positives afterwards.
reranked as (
    select
        *,
        row_number() over (partition by user_id order by q0 nulls last, item_id) as w0,
        row_number() over (partition by user_id order by q1 nulls last, item_id) as w1,
        row_number() over (partition by user_id order by q2 nulls last, item_id) as w2,
        row_number() over (partition by user_id order by q3 nulls last, item_id) as w3,
        row_number() over (partition by user_id order by q4 nulls last, item_id) as w4,
        row_number() over (partition by user_id order by q5 nulls last, item_id) as w5
    from remaining
),
final as (
    select
        candidates.user_id, candidates.item_id, candidates.rank,
        rank_watch_time, rank_als, rank_popular, rank_categories, rank_similar, rank_new,
        cast(case when q0 is not null then w0 end as integer) as without_watch_time,
        cast(case when q1 is not null then w1 end as integer) as without_als,
        cast(case when q2 is not null then w2 end as integer) as without_popular,
        cast(case when q3 is not null then w3 end as integer) as without_categories,
        cast(case when q4 is not null then w4 end as integer) as without_similar,
        cast(case when q5 is not null then w5 end as integer) as without_new
    from reranked
    inner join candidates on reranked.user_id = candidates.user_id and reranked.item_id = candidates.item_id
    semi join ground_truth
        on reranked.user_id = ground_truth.user_id and reranked.item_id = ground_truth.item_id
)
select * from final
order by user_id, item_id
