-- Features of a user for the preset documented, without the factors. Missing values are 0, an unknown index is -1.
--
-- Grain:      one row a user of interactions
-- Inputs:     interactions, user_features, user_index, user_counts
-- Columns:
--   user_id     id of the user
--   user_index  row of the user factors; -1 for a user who is not in train
--   user_active_degree  category code, 0 where missing
--   onehot_feat0..onehot_feat17  category code, 0 where missing
--   is_lowactive_period  1 in a period of low activity
--   is_live_streamer  1 for a live streamer
--   is_video_author  1 for an author of videos
--   follow_user_num  users that the user follows
--   fans_user_num  users that follow the user
--   friend_user_num  friends
--   register_days  days since registration [d]
--   user_interaction_count  the user's interactions in train [rows]
with users as (
    select distinct user_id from interactions
),
final as (
    select
        users.user_id,
        coalesce(user_index.user_index, -1) as user_index,
        cast(coalesce(user_active_degree_code, 0) as integer) as user_active_degree,
        cast(coalesce(onehot_feat0_code, 0) as integer) as onehot_feat0,
        cast(coalesce(onehot_feat1_code, 0) as integer) as onehot_feat1,
        cast(coalesce(onehot_feat2_code, 0) as integer) as onehot_feat2,
        cast(coalesce(onehot_feat3_code, 0) as integer) as onehot_feat3,
        cast(coalesce(onehot_feat4_code, 0) as integer) as onehot_feat4,
        cast(coalesce(onehot_feat5_code, 0) as integer) as onehot_feat5,
        cast(coalesce(onehot_feat6_code, 0) as integer) as onehot_feat6,
        cast(coalesce(onehot_feat7_code, 0) as integer) as onehot_feat7,
        cast(coalesce(onehot_feat8_code, 0) as integer) as onehot_feat8,
        cast(coalesce(onehot_feat9_code, 0) as integer) as onehot_feat9,
        cast(coalesce(onehot_feat10_code, 0) as integer) as onehot_feat10,
        cast(coalesce(onehot_feat11_code, 0) as integer) as onehot_feat11,
        cast(coalesce(onehot_feat12_code, 0) as integer) as onehot_feat12,
        cast(coalesce(onehot_feat13_code, 0) as integer) as onehot_feat13,
        cast(coalesce(onehot_feat14_code, 0) as integer) as onehot_feat14,
        cast(coalesce(onehot_feat15_code, 0) as integer) as onehot_feat15,
        cast(coalesce(onehot_feat16_code, 0) as integer) as onehot_feat16,
        cast(coalesce(onehot_feat17_code, 0) as integer) as onehot_feat17,
        coalesce(is_lowactive_period, 0) as is_lowactive_period,
        coalesce(is_live_streamer, 0) as is_live_streamer,
        coalesce(is_video_author, 0) as is_video_author,
        coalesce(follow_user_num, 0) as follow_user_num,
        coalesce(fans_user_num, 0) as fans_user_num,
        coalesce(friend_user_num, 0) as friend_user_num,
        coalesce(register_days, 0) as register_days,
        cast(coalesce(user_counts.interaction_count, 0) as integer) as user_interaction_count
    from users
    left join user_features on users.user_id = user_features.user_id
    left join user_index on users.user_id = user_index.user_id
    left join user_counts on users.user_id = user_counts.user_id
)
select * from final
order by user_id
