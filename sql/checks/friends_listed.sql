-- Users whose friends are not a list of integers.
--
-- Inputs:     raw_social_network
-- Guards:     friends
-- Rejects:    raw_social_network
select 'friend_list must be a list of user ids, for example [27, 9]' as rule, user_id, friend_list
from raw_social_network
where not regexp_matches(friend_list, '^ *\[ *([0-9]+( *, *[0-9]+)*)? *\] *$')
order by user_id, friend_list
