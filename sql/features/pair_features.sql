-- Features of a pair for the preset kraft; those of the watch time model are added a batch at a time.
-- All are known at the end of interactions_train. Unknown values are NULL, which LightGBM reads as missing.
--
-- Grain:      one row a pair of interactions_test
-- Inputs:     interactions_test, user_stats, item_features, user_affinity
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   positive_interaction  the label
--   timestamp             when the pair first met [s]; NULL where no time is known
--   user_index            row of the user factors; -1 for a user without history
--   video_index           row of the video factors; -1 for an unknown video
--   is_warm               whether the video has a history
--   user_count            the user's interactions in the history [rows]
--   user_rate             smoothed positive rate [0 to 1]
--   user_ratio            smoothed mean of the watch ratios, each cut at 5
--   user_log_time         mean watch time [log s]
--   user_idle_days        days from the last interaction to the end of the history [d]
--   friend_rate           mean of user_rate over the user's friends [0 to 1]; NULL without friends
--   log_duration          length of the video [log s]
--   item_count            its interactions in the history [rows]
--   item_rate             its smoothed positive rate [0 to 1]
--   item_ratio            smoothed mean of its watch ratios
--   item_daily             days from its first interaction to the end of the history [d]
--   item_idle_days        days from its last interaction to the end of the history [d]
--   upload_days           days from its upload to the end of the history [d]
--   duration_rate         smoothed positive rate of videos as long as it [0 to 1]
--   author_rate           smoothed positive rate of its author's videos [0 to 1]
--   category_rate         mean over its categories of their smoothed positive rates [0 to 1]
--   caption_rate_1..caption_rate_3  smoothed positive rate of the caption's categories, from coarse to fine [0 to 1]
--   tag_rate              smoothed positive rate of its tag [0 to 1]
--   upload_rate           smoothed positive rate of its way of upload [0 to 1]
--   num_categories        its content categories
--   daily_days            days with counts [d]
--   daily_shows           times it was shown, ln(1 + times)
--   daily_log_time        mean time of a play [log s]
--   daily_complete        plays to the end / plays
--   daily_long            long plays / plays
--   daily_short           short plays / plays
--   daily_like            likes / times it was shown
--   daily_progress        mean share of the video that a play reached
--   duration_beyond_user  log_duration - user_log_time [log s]
--   duration_taste        how much more the user likes videos as long as it than their rates say [-1 to 1]
--   author_taste          how much more the user likes its author's videos than their rates say [-1 to 1]
--   category_taste        mean of that over its categories; 0 for one that the user has not met [-1 to 1]
with duration_taste as (
    select user_id, key, taste from user_affinity where kind = 'duration'
),
author_taste as (
    select user_id, key, taste from user_affinity where kind = 'author'
),
category_taste as (
    select user_id, key, taste from user_affinity where kind = 'category'
),
pairs as (
    select
        pairs.user_id, pairs.item_id, pairs.positive_interaction, pairs.timestamp,
        duration_taste.taste as duration_taste,
        author_taste.taste as author_taste,
        (coalesce(c1.taste, 0e0) + coalesce(c2.taste, 0e0) + coalesce(c3.taste, 0e0) + coalesce(c4.taste, 0e0))
            / nullif(items.num_categories, 0) as category_taste
    from interactions_test as pairs
    left join item_features as items on pairs.item_id = items.item_id
    left join duration_taste on pairs.user_id = duration_taste.user_id and items.duration_bucket = duration_taste.key
    left join author_taste on pairs.user_id = author_taste.user_id and items.author_id = author_taste.key
    left join category_taste as c1 on pairs.user_id = c1.user_id and items.category_1 = c1.key
    left join category_taste as c2 on pairs.user_id = c2.user_id and items.category_2 = c2.key
    left join category_taste as c3 on pairs.user_id = c3.user_id and items.category_3 = c3.key
    left join category_taste as c4 on pairs.user_id = c4.user_id and items.category_4 = c4.key
),
final as (
    select
        pairs.user_id, pairs.item_id, pairs.positive_interaction, pairs.timestamp,
        coalesce(users.user_index, -1) as user_index, coalesce(items.video_index, -1) as video_index,
        items.item_count is not null as is_warm,
        users.* exclude (user_id, user_index),
        items.* exclude (item_id, video_index, duration_bucket, author_id, category_1, category_2, category_3, category_4),
        items.log_duration - users.user_log_time as duration_beyond_user,
        pairs.duration_taste, pairs.author_taste, pairs.category_taste
    from pairs
    left join user_stats as users on pairs.user_id = users.user_id
    left join item_features as items on pairs.item_id = items.item_id
)
select * from final
order by user_id, item_id
