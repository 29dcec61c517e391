-- Pairs of small_matrix that the ranker has learned from.
--
-- Inputs:     observed_interactions, interactions_train
-- Guards:     observed_pairs
with pairs as (
    select distinct user_id, item_id from interactions_train
)
select distinct
    'no pair of the log to test on may be in the log to learn from' as rule,
    observed.user_id,
    observed.item_id as video_id
from observed_interactions as observed
semi join pairs on observed.user_id = pairs.user_id and observed.item_id = pairs.item_id
order by observed.user_id, video_id
