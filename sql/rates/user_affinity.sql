-- What a user likes beyond what the user and the video explain: mean residual of the positive label over the user's
-- interactions with a category, a length or an author, smoothed by empirical Bayes towards 0 (as in smoothed_rates).
--
-- Grain:      one row a kind of taste, user and group of videos
-- Inputs:     watch_times, smoothed_rates, video_details
-- Columns:
--   kind     category, duration or author
--   user_id  id of the user
--   key      which category, duration bucket or author
--   taste    smoothed mean residual [-1 to 1]
with users as (select key, rate, prior_rate from smoothed_rates where kind = 'user'),
items as (select key, rate from smoothed_rates where kind = 'item'),
-- An author with one video adds nothing to the video itself.
authors as (
    select author_id from video_details where author_id is not null group by author_id having count(*) > 1
),
-- The groups of each video. A kind is a number until the end: its position among the sorted names.
members as (
    select item_id, 1 as kind_number, video_details.author_id as key
    from video_details semi join authors on video_details.author_id = authors.author_id
    union all select item_id, 2, category_1 from video_details
    union all select item_id, 2, category_2 from video_details
    union all select item_id, 2, category_3 from video_details
    union all select item_id, 2, category_4 from video_details
    union all select item_id, 3, duration_bucket from video_details
),
residuals as (
    select
        watch_times.user_id, watch_times.item_id,
        cast(1e0 * positives / interactions - users.rate - items.rate + users.prior_rate as decimal(10, 8)) as residual
    from watch_times
    join users on watch_times.user_id = users.key
    join items on watch_times.item_id = items.key
),
groups as (
    select
        members.kind_number, residuals.user_id, members.key, 1e0 * count(*) as n,
        cast(sum(residual) as double) / count(*) as mean, cast(sum(residual * residual) as double) as squares
    from residuals
    join members on residuals.item_id = members.item_id
    where members.key is not null
    group by members.kind_number, residuals.user_id, members.key
),
kinds as (
    select
        kind_number, count(*) as groups, sum(n) as total,
        cast(sum(cast(n * mean * mean as decimal(28, 8))) as double)            as between_squares,
        cast(sum(cast(squares - n * mean * mean as decimal(28, 8))) as double)  as within
    from groups
    group by kind_number
),
moments as (
    -- If no group has two pairs, the variance within groups is unknown: we take that between them.
    select
        * exclude (within),
        case when total > groups then within else between_squares end as within,
        case when total > groups then total - groups else total end   as freedom
    from kinds
),
strengths as (
    select
        kind_number, (within / freedom)
            / greatest((between_squares - groups * within / freedom) / nullif(total, 0e0), 1e-4 * within / freedom, 1e-12) as strength
    from moments
)
select
    case groups.kind_number when 1 then 'author' when 2 then 'category' else 'duration' end as kind,
    groups.user_id,
    groups.key,
    n * mean / (n + strength) as taste
from groups
join strengths on groups.kind_number = strengths.kind_number
order by groups.kind_number, groups.user_id, groups.key
