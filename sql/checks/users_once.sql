-- Users who occur in user_features more than once, or have no valid id.
--
-- Inputs:     user_features
-- Guards:     user_features
select 'user_id must be an integer from 0 on, once a user' as rule, user_id, count(*) as found
from user_features
group by user_id
having count(*) > 1 or user_id is null or user_id < 0
order by user_id
