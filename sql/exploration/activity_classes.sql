-- The platform's activity classes of the users, with the interactions of each.
--
-- Grain:      one row a class that a user of the log has
-- Inputs:     interactions, user_features
-- Columns:
--   user_active_degree  the class; NULL for users whom user_features does not know
--   users               users of the log
--   interactions        of them [rows]
--   positives           of these, positive [rows]
with counted as (
    select user_id, count(*) as met, count(*) filter (where positive_interaction) as liked
    from interactions
    group by user_id
),
final as (
    select
        user_features.user_active_degree,
        count(*)                            as users,
        cast(sum(counted.met) as bigint)    as interactions,
        cast(sum(counted.liked) as bigint)  as positives
    from counted
    left join user_features on counted.user_id = user_features.user_id
    group by user_features.user_active_degree
)
select * from final
order by interactions desc, user_active_degree
