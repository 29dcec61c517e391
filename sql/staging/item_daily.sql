-- The platform's daily counts of each video. KuaiRec repeats a (video, day) for each tag of the video, with the same
-- counts: the greatest of each is taken, and the least of texts and ids. An impossible number (negative, infinite, a
-- length of 0, a progress of a million lengths) is NULL.
--
-- Grain:      one row a video and day
-- Inputs:     raw_item_daily_features
-- Columns:
--   item_id         id of the video
--   date            the day as yyyymmdd
--   copies          rows of the file for it [rows]
--   author_id       id of its author
--   upload_date     the day of its upload
--   upload_type     how it was uploaded, as text
--   tag_id          its first tag
--   video_duration  length [ms]
--   shows           times it was shown
--   plays           plays
--   play_duration   time of all plays [ms]
--   complete_plays  plays to the end
--   long_plays      long plays, as the platform counts them
--   short_plays     short plays, as the platform counts them
--   likes           likes
--   play_progress   mean share of the video that a play reached [0 to 1]
with final as (
    select
        video_id                             as item_id,
        date,
        cast(count(*) as integer)            as copies,
        min(author_id)                       as author_id,
        min(try_cast(upload_dt as date))     as upload_date,
        min(upload_type)                     as upload_type,
        min(video_tag_id)                    as tag_id,
        min(case when video_duration > 0 and video_duration < 1e15 then video_duration end) as video_duration,
        max(case when show_cnt >= 0 and show_cnt < 1e15 then show_cnt end) as shows,
        max(case when play_cnt >= 0 and play_cnt < 1e15 then play_cnt end) as plays,
        max(case when play_duration >= 0 and play_duration < 1e15 then play_duration end) as play_duration,
        max(case when complete_play_cnt >= 0 and complete_play_cnt < 1e15 then complete_play_cnt end) as complete_plays,
        max(case when long_time_play_cnt >= 0 and long_time_play_cnt < 1e15 then long_time_play_cnt end) as long_plays,
        max(case when short_time_play_cnt >= 0 and short_time_play_cnt < 1e15 then short_time_play_cnt end) as short_plays,
        max(case when like_cnt >= 0 and like_cnt < 1e15 then like_cnt end) as likes,
        max(case when play_progress >= 0 and play_progress < 1e6 then play_progress end) as play_progress
    from raw_item_daily_features
    group by video_id, date
)
select * from final
order by item_id, date
