-- What a user likes beyond what the user and the video explain: mean residual of the positive label over the user's
-- interactions with a category, a length or an author, smoothed by empirical Bayes towards 0 (as in group_rates).
--
-- Grain:      one row a kind of taste, user and group of videos
-- Inputs:     watch_times, group_rates, video_details
-- Parameters: none
-- Columns:
--   kind     category, duration or author
--   user_id  id of the user
--   key      which category, duration bucket or author
--   taste    smoothed mean residual [-1 to 1]
with users as (select key, rate, prior_rate from group_rates where kind = 'user'),
items as (select key, rate from group_rates where kind = 'item'),
-- An author of one video teaches nothing that the video itself does not.
authors as (
    select author_id from video_details where author_id is not null group by author_id having count(*) > 1
),
residuals as (
    select
        watch_times.user_id, duration_bucket, authors.author_id, category_1, category_2, category_3, category_4,
        cast(1e0 * positives / interactions - users.rate - items.rate + users.prior_rate as decimal(10, 8)) as residual
    from watch_times
    join video_details on watch_times.item_id = video_details.item_id
    left join authors on video_details.author_id = authors.author_id
    join users on watch_times.user_id = users.key
    join items on watch_times.item_id = items.key
),
members as (
    select 'duration' as kind, user_id, duration_bucket as key, residual from residuals
    union all select 'author', user_id, author_id, residual from residuals
    union all select 'category', user_id, category_1, residual from residuals
    union all select 'category', user_id, category_2, residual from residuals
    union all select 'category', user_id, category_3, residual from residuals
    union all select 'category', user_id, category_4, residual from residuals
),
groups as (
    select
        kind, user_id, key, 1e0 * count(*) as n,
        cast(sum(residual) as double) / count(*) as mean, cast(sum(residual * residual) as double) as squares
    from members
    where key is not null
    group by kind, user_id, key
),
kinds as (
    select
        kind, count(*) as groups, sum(n) as total,
        cast(sum(cast(n * mean * mean as decimal(28, 8))) as double)            as between_squares,
        cast(sum(cast(squares - n * mean * mean as decimal(28, 8))) as double)  as within
    from groups
    group by kind
),
moments as (
    -- Where no group has two pairs, none shows how they vary within it: all that lies between them may be that.
    select
        * exclude (within),
        case when total > groups then within else between_squares end as within,
        case when total > groups then total - groups else total end   as freedom
    from kinds
),
strengths as (
    select
        kind,
        (within / freedom)
            / greatest((between_squares - groups * within / freedom) / nullif(total, 0e0), 1e-4 * within / freedom, 1e-12) as strength
    from moments
),
final as (
    select kind, user_id, key, n * mean / (n + strength) as taste
    from groups
    join strengths using (kind)
)
select * from final
order by kind, user_id, key
