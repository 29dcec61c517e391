-- What a described log knows of its users, in KuaiRec's columns.
--
-- Grain:      one row a user of the users' file
-- Inputs:     log_users, user_ids
-- Columns:
--   user_id             id of the user (user_ids)
--   user_active_degree  activity class as text; NULL where missing or not described, as are all that follow
--   is_lowactive_period  1 in a period of low activity
--   is_live_streamer  1 for a live streamer
--   is_video_author  1 for an author of videos
--   follow_user_num  users that the user follows
--   fans_user_num  users that follow the user
--   friend_user_num  friends
--   register_days  days since registration [d]
--   onehot_feat0..onehot_feat17  anonymized category
with final as (
    select user_ids.user_id, log_users.* exclude (user_key)
    from log_users
    join user_ids on log_users.user_key = user_ids.id
)
select * from final
order by user_id
