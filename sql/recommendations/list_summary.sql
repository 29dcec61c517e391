-- How many lists there are, how many of them fall short of $top videos, and how diverse they are.
--
-- Grain:      one row
-- Inputs:     user_lists, ground_truth
-- Parameters: $top
-- Columns:
--   users          users with a list [users]
--   rows           recommendations, up to $top a user [rows]
--   short_lists    lists of fewer than $top videos [users]
--   without_list   users with a positive and no list [users]
--   diversity      mean intra-list diversity of the lists of two videos or more [0 to 1]; NULL without one
with lists as (
    select
        count(*)                                                              as users,
        coalesce(sum(videos), 0)                                              as listed,
        count(*) filter (where videos < $top)                                 as short_lists,
        cast(sum(cast(diversity as decimal(18, 15))) as double)
            / nullif(count(diversity), 0)                                     as diversity
    from user_lists
),
evaluated as (
    select distinct user_id from ground_truth
),
missing as (
    select count(*) as users from evaluated anti join user_lists on evaluated.user_id = user_lists.user_id
),
final as (
    select
        lists.users,
        cast(lists.listed as bigint)  as rows,
        lists.short_lists,
        missing.users                 as without_list,
        lists.diversity
    from lists
    cross join missing
)
select * from final
