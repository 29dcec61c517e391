-- The history that the ranker's features are made of: how long each user stayed with each video in the train period.
-- Times are cut at their 1st and 99th percentile (found in steps of 2 %), so that skips and loops do not dominate the means.
-- In the history that the ranker learns from, a share of the videos is held out: it has to learn about new videos.
--
-- Grain:      one row a (user, video) pair of interactions_train whose video is not held out
-- Inputs:     interactions_train, user_index, video_details
-- Parameters: $held_out_share
-- Columns:
--   user_id        id of the user
--   item_id        id of the video
--   user_index     row of the user factors
--   video_index    row of the video factors
--   log_time       mean watch time [log s]
--   interactions   interactions of the pair [rows]
--   positives      of these, with positive_interaction [rows]
--   first_time     first of them [s]; NULL where no time is known
--   last_time      last of them [s]
--   ratio_millis   sum of the watch ratios, each cut at 5 [1/1000]; NULL where none is known
with videos as (
    select item_id, video_index
    from video_details
    -- Chosen by a multiplication modulo a prime: the same videos on every machine and engine.
    where (cast(item_id as bigint) * 7919 + 104729) * 31 % 1009 >= 1009e0 * $held_out_share
),
steps as (
    select cast(floor(ln(greatest(train.play_duration, 1)) * 5e1) as bigint) as step, count(*) as n
    from interactions_train as train
    semi join videos on train.item_id = videos.item_id
    group by 1
),
ranked as (
    select step, sum(n) over (order by step) as through, sum(n) over (order by step desc) as onwards from steps
),
bounds as (
    select
        min(case when through > 1e-2 * total then step end) / 5e1                  as least,
        max(case when onwards > 1e-2 * total then step + 1 end) / 5e1              as most
    from ranked
    cross join (select sum(n) as total from steps) as counted
),
times as (
    select
        user_index.user_id,
        videos.item_id,
        user_index.user_index,
        videos.video_index,
        least(greatest(ln(greatest(train.play_duration, 1)), bounds.least), bounds.most) - ln(1e3) as log_time,
        train.positive_interaction,
        train.timestamp,
        case when train.watch_ratio is not null then cast(floor(1e3 * least(train.watch_ratio, 5e0)) as integer) end as ratio_millis
    from interactions_train as train
    join videos on train.item_id = videos.item_id
    join user_index on train.user_id = user_index.user_id
    cross join bounds
),
final as (
    select
        user_id,
        item_id,
        user_index,
        video_index,
        -- Decimals: a sum of doubles would depend on the order of the rows.
        cast(sum(cast(log_time as decimal(18, 9))) as double) / count(*)   as log_time,
        cast(count(*) as integer)                                          as interactions,
        cast(count(*) filter (where positive_interaction) as integer)      as positives,
        min(timestamp)                                                     as first_time,
        max(timestamp)                                                     as last_time,
        cast(sum(ratio_millis) as integer)                                 as ratio_millis
    from times
    group by user_id, item_id, user_index, video_index
)
select * from final
order by user_index, video_index
