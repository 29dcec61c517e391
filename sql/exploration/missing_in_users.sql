-- Missing values of user_features, before imputation.
--
-- Grain:      one row
-- Inputs:     raw_user_features
-- Columns:
--   total  users of the file
--   user_active_degree  users without it
--   is_lowactive_period  users without it
--   is_live_streamer  users without it
--   is_video_author  users without it
--   follow_user_num  users without it
--   fans_user_num  users without it
--   friend_user_num  users without it
--   register_days  users without it
--   onehot_feat0..onehot_feat17  users without it
select
    count(*) as total,
    count(*) - count(user_active_degree) as user_active_degree,
    count(*) - count(is_lowactive_period) as is_lowactive_period,
    count(*) - count(is_live_streamer) as is_live_streamer,
    count(*) - count(is_video_author) as is_video_author,
    count(*) - count(follow_user_num) as follow_user_num,
    count(*) - count(fans_user_num) as fans_user_num,
    count(*) - count(friend_user_num) as friend_user_num,
    count(*) - count(register_days) as register_days,
    count(*) - count(onehot_feat0) as onehot_feat0,
    count(*) - count(onehot_feat1) as onehot_feat1,
    count(*) - count(onehot_feat2) as onehot_feat2,
    count(*) - count(onehot_feat3) as onehot_feat3,
    count(*) - count(onehot_feat4) as onehot_feat4,
    count(*) - count(onehot_feat5) as onehot_feat5,
    count(*) - count(onehot_feat6) as onehot_feat6,
    count(*) - count(onehot_feat7) as onehot_feat7,
    count(*) - count(onehot_feat8) as onehot_feat8,
    count(*) - count(onehot_feat9) as onehot_feat9,
    count(*) - count(onehot_feat10) as onehot_feat10,
    count(*) - count(onehot_feat11) as onehot_feat11,
    count(*) - count(onehot_feat12) as onehot_feat12,
    count(*) - count(onehot_feat13) as onehot_feat13,
    count(*) - count(onehot_feat14) as onehot_feat14,
    count(*) - count(onehot_feat15) as onehot_feat15,
    count(*) - count(onehot_feat16) as onehot_feat16,
    count(*) - count(onehot_feat17) as onehot_feat17
from raw_user_features
