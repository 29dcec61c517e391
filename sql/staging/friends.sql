-- Who is a friend of whom. Numbers that are too large for an id are left out.
--
-- Grain:      one row a user and friend
-- Inputs:     raw_social_network
-- Columns:
--   user_id    id of the user
--   friend_id  id of the friend
with listed as (
    select user_id, unnest(regexp_extract_all(friend_list, '[0-9]+')) as friend from raw_social_network
),
final as (
    select distinct user_id, try_cast(friend as integer) as friend_id
    from listed
    where try_cast(friend as integer) is not null
)
select * from final
order by user_id, friend_id
