-- What the shown users liked last in train: five videos each, newest first. A video counts at its newest positive
-- interaction; one without a time is newer than all with a time, as everywhere; where times are equal, the lower id
-- comes first.
--
-- Grain:      one row a shown user and video
-- Inputs:     sample_users, interactions_train
-- Columns:
--   user_id      id of the user
--   place        1 is the newest
--   item_id      id of the video
--   timestamp    when, unix time [s]; NULL where the log has none
--   watch_ratio  play_duration / video_duration; the highest of several at that time
with newest as (
    select user_id, item_id, max(coalesce(timestamp, 1e300)) as moment
    from interactions_train
    where positive_interaction and user_id in (select user_id from sample_users)
    group by user_id, item_id
),
placed as (
    select
        user_id, item_id, moment,
        row_number() over (partition by user_id order by moment desc, item_id) as place
    from newest
),
final as (
    select
        placed.user_id,
        cast(placed.place as integer) as place,
        placed.item_id,
        max(train.timestamp)          as timestamp,
        max(train.watch_ratio)        as watch_ratio
    from placed
    join interactions_train as train on placed.user_id = train.user_id
    where placed.place <= 5
        and placed.item_id = train.item_id
        and placed.moment = coalesce(train.timestamp, 1e300)
        and train.positive_interaction
    group by placed.user_id, placed.place, placed.item_id
)
select * from final
order by user_id, place
