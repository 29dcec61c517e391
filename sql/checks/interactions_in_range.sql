-- Interactions with an impossible value.
-- A watch_ratio may be rounded: it must be play_duration / video_duration within 0.01 plus a hundredth of it. A ratio in
-- percent, or durations in different units, differ by more.
--
-- Inputs:     interactions
-- Guards:     interactions
-- Rejects:    raw_interactions
with checked as (
    select
        case
            when user_id is null or user_id < 0
                then 'user_id must be an integer from 0 to 2,147,483,647'
            when item_id is null or item_id < 0
                then 'video_id must be an integer from 0 to 2,147,483,647'
            when play_duration is null or play_duration < 0
                then 'play_duration must be 0 ms or more'
            when video_duration is null or video_duration <= 0
                then 'video_duration must be more than 0 ms'
            -- Written as "not in the range", so that NaN and infinity are found too.
            when watch_ratio is null or not (watch_ratio >= 0 and watch_ratio < 1e9)
                then 'watch_ratio must be a number from 0 to 1e9'
            when timestamp >= 1e11 and timestamp < 4102444800e3
                then 'timestamp must be unix seconds from 1970 to 2100, and looks like milliseconds'
            when not (timestamp >= 0 and timestamp < 4102444800)
                then 'timestamp must be unix seconds from 1970 to 2100'
            when abs(watch_ratio - 1e0 * play_duration / video_duration)
                > 0.01e0 + 0.01e0 * play_duration / video_duration
                then 'watch_ratio must be play_duration / video_duration'
        end as rule,
        user_id, item_id as video_id, play_duration, video_duration, timestamp, watch_ratio
    from interactions
)
select * from checked
where rule is not null
order by user_id, video_id, timestamp, play_duration, video_duration, watch_ratio
