-- What the shown users liked last in train: five videos each, newest first. A video counts at its newest positive
-- interaction; an interaction without a time is the newest. At equal times the lower id comes first.
--
-- Grain:      one row a shown user and video
-- Inputs:     sample_users, interactions_train
-- Columns:
--   user_id      id of the user
--   rank        1 is the newest
--   item_id      id of the video
--   timestamp    when, unix time [s]; NULL where the log has none
--   watch_ratio  play_duration / video_duration; the highest of several at that time
with newest as (
    select user_id, item_id, max(coalesce(timestamp, 1e300)) as moment
    from interactions_train
    where positive_interaction and user_id in (select user_id from sample_users)
    group by user_id, item_id
),
ranked as (
    select
        user_id, item_id, moment,
        row_number() over (partition by user_id order by moment desc, item_id) as rank
    from newest
),
final as (
    select
        ranked.user_id,
        cast(ranked.rank as integer) as rank,
        ranked.item_id,
        max(train.timestamp)          as timestamp,
        max(train.watch_ratio)        as watch_ratio
    from ranked
    join interactions_train as train on ranked.user_id = train.user_id
    where ranked.rank <= 5
        and ranked.item_id = train.item_id
        and ranked.moment = coalesce(train.timestamp, 1e300)
        and train.positive_interaction
    group by ranked.user_id, ranked.rank, ranked.item_id
)
select * from final
order by user_id, rank
