-- What a described log knows of its users, in KuaiRec's columns.
--
-- Grain:      one row a user of the users' file
-- Inputs:     log_users, user_ids
-- Columns:
--   user_id             id of the user (user_ids)
--   user_active_degree  activity class as text; like all that follow NULL where it is not described or missing
--   is_lowactive_period, is_live_streamer, is_video_author, follow_user_num, fans_user_num, friend_user_num, register_days
--   onehot_feat0..onehot_feat17  anonymized category
with final as (
    select user_ids.user_id, log_users.* exclude (user_key)
    from log_users
    join user_ids on log_users.user_key = user_ids.id
)
select * from final
order by user_id
