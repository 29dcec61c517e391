-- The ranker's training rows: label and features.
-- The factors are not here: the ranker gathers them by index, a batch at a time.
--
-- Grain:      one row an interaction of interactions_train, in chronological order
-- Inputs:     interactions_train, ranker_users, ranker_items
-- Columns:
--   user_id                 id of the user
--   item_id                 id of the video
--   positive_interaction    the label
--   user_index              row of the user factors
--   user_active_degree      category code
--   onehot_feat0..onehot_feat17  category code
--   is_lowactive_period     1 in a period of low activity
--   is_live_streamer        1 for a live streamer
--   is_video_author         1 for an author of videos
--   follow_user_num         users that the user follows
--   fans_user_num           users that follow the user
--   friend_user_num         friends
--   register_days           days since registration [d]
--   user_interaction_count  the user's interactions in train [rows]
--   item_index              row of the item factors; -1 for an item that is not in train
--   num_categories          categories of the video
--   item_interaction_count  the item's interactions in train [rows]
select
    train.user_id,
    train.item_id,
    train.positive_interaction,
    users.* exclude (user_id),
    items.* exclude (item_id)
from interactions_train as train
join ranker_users as users on train.user_id = users.user_id
join ranker_items as items on train.item_id = items.item_id
order by train.timestamp nulls last, train.user_id, train.item_id, train.positive_interaction
