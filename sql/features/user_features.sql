-- The users' attributes with missing values imputed, and the categories coded for the ranker.
-- Codes: 0 is missing, then 1, 2, ... in the order of the values. A missing number becomes 0, as documented.
--
-- Grain:      one row a user of user_features.csv
-- Inputs:     raw_user_features
-- Columns:
--   user_id  id of the user
--   is_lowactive_period  1 in a period of low activity; 0 where missing
--   is_live_streamer  1 for a live streamer; 0 where missing
--   is_video_author  1 for an author of videos; 0 where missing
--   follow_user_num  users that the user follows; 0 where missing
--   fans_user_num  users that follow the user; 0 where missing
--   friend_user_num  friends; 0 where missing
--   register_days  days since registration [d]; 0 where missing
--   user_active_degree  activity class as text
--   onehot_feat0..onehot_feat17  anonymized category; NULL where missing
--   user_active_degree_code  code of user_active_degree
--   onehot_feat0_code..onehot_feat17_code  code of the onehot_feat of that number
with users as (
    select * from raw_user_features
),
final as (
    select
        user_id,
        coalesce(is_lowactive_period, 0) as is_lowactive_period,
        coalesce(is_live_streamer, 0) as is_live_streamer,
        coalesce(is_video_author, 0) as is_video_author,
        coalesce(follow_user_num, 0) as follow_user_num,
        coalesce(fans_user_num, 0) as fans_user_num,
        coalesce(friend_user_num, 0) as friend_user_num,
        coalesce(register_days, 0) as register_days,
        user_active_degree,
        onehot_feat0, onehot_feat1, onehot_feat2, onehot_feat3, onehot_feat4, onehot_feat5, onehot_feat6, onehot_feat7, onehot_feat8,
        onehot_feat9, onehot_feat10, onehot_feat11, onehot_feat12, onehot_feat13, onehot_feat14, onehot_feat15, onehot_feat16, onehot_feat17,
        case when user_active_degree is null then 0 else dense_rank() over (partition by user_active_degree is null order by user_active_degree) end as user_active_degree_code,
        case when onehot_feat0 is null then 0 else dense_rank() over (partition by onehot_feat0 is null order by onehot_feat0) end as onehot_feat0_code,
        case when onehot_feat1 is null then 0 else dense_rank() over (partition by onehot_feat1 is null order by onehot_feat1) end as onehot_feat1_code,
        case when onehot_feat2 is null then 0 else dense_rank() over (partition by onehot_feat2 is null order by onehot_feat2) end as onehot_feat2_code,
        case when onehot_feat3 is null then 0 else dense_rank() over (partition by onehot_feat3 is null order by onehot_feat3) end as onehot_feat3_code,
        case when onehot_feat4 is null then 0 else dense_rank() over (partition by onehot_feat4 is null order by onehot_feat4) end as onehot_feat4_code,
        case when onehot_feat5 is null then 0 else dense_rank() over (partition by onehot_feat5 is null order by onehot_feat5) end as onehot_feat5_code,
        case when onehot_feat6 is null then 0 else dense_rank() over (partition by onehot_feat6 is null order by onehot_feat6) end as onehot_feat6_code,
        case when onehot_feat7 is null then 0 else dense_rank() over (partition by onehot_feat7 is null order by onehot_feat7) end as onehot_feat7_code,
        case when onehot_feat8 is null then 0 else dense_rank() over (partition by onehot_feat8 is null order by onehot_feat8) end as onehot_feat8_code,
        case when onehot_feat9 is null then 0 else dense_rank() over (partition by onehot_feat9 is null order by onehot_feat9) end as onehot_feat9_code,
        case when onehot_feat10 is null then 0 else dense_rank() over (partition by onehot_feat10 is null order by onehot_feat10) end as onehot_feat10_code,
        case when onehot_feat11 is null then 0 else dense_rank() over (partition by onehot_feat11 is null order by onehot_feat11) end as onehot_feat11_code,
        case when onehot_feat12 is null then 0 else dense_rank() over (partition by onehot_feat12 is null order by onehot_feat12) end as onehot_feat12_code,
        case when onehot_feat13 is null then 0 else dense_rank() over (partition by onehot_feat13 is null order by onehot_feat13) end as onehot_feat13_code,
        case when onehot_feat14 is null then 0 else dense_rank() over (partition by onehot_feat14 is null order by onehot_feat14) end as onehot_feat14_code,
        case when onehot_feat15 is null then 0 else dense_rank() over (partition by onehot_feat15 is null order by onehot_feat15) end as onehot_feat15_code,
        case when onehot_feat16 is null then 0 else dense_rank() over (partition by onehot_feat16 is null order by onehot_feat16) end as onehot_feat16_code,
        case when onehot_feat17 is null then 0 else dense_rank() over (partition by onehot_feat17 is null order by onehot_feat17) end as onehot_feat17_code
    from users
)
select * from final
order by user_id
