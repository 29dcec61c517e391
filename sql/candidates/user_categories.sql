-- How the positive interactions of each user spread over the content categories of their videos.
--
-- Grain:      one row a user of train and category of a positive interaction of the user
-- Inputs:     interactions_train, user_index, video_details
-- Columns:
--   user_index  row of the user factors
--   category    content category
--   weight      of the user's positive interactions, each counted once a category of its video, the share with it [0 to 1]
with positives as (
    select user_id, item_id, count(*) as n from interactions_train where positive_interaction group by user_id, item_id
),
videos as (
    select
        user_index.user_index, positives.n,
        details.category_1, details.category_2, details.category_3, details.category_4
    from positives
    join user_index on positives.user_id = user_index.user_id
    join video_details as details on positives.item_id = details.item_id
),
members as (
    select user_index, category_1 as category, n from videos
    union all select user_index, category_2, n from videos
    union all select user_index, category_3, n from videos
    union all select user_index, category_4, n from videos
),
counted as (
    select user_index, category, sum(n) as n from members where category is not null group by user_index, category
),
totals as (
    select user_index, sum(n) as n from counted group by user_index
),
final as (
    select counted.user_index, cast(counted.category as integer) as category, 1e0 * counted.n / totals.n as weight
    from counted
    join totals on counted.user_index = totals.user_index
)
select * from final
order by user_index, category
