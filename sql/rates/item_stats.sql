-- Each video's history in sums, with the groups that its rates are smoothed by.
--
-- Grain:      one row a video of watch_times
-- Inputs:     watch_times, video_details
-- Columns:
--   item_id       id of the video
--   interactions  its interactions [rows]
--   positives     of these, with positive_interaction [rows]
--   first_time    first of them [s]; NULL where no time is known
--   last_time     last of them [s]
--   ratio_millis  sum of the watch ratios, each cut at 5 [1/1000]
--   duration_bucket  length in steps of a quarter of log s
--   author_id     id of its author
--   upload_type   number of the way it was uploaded
--   tag_id        its first tag
--   caption_level_1..caption_level_3  category of its caption, from coarse to fine
--   category_1..category_4  its content categories, ascending
with sums as (
    select
        item_id,
        cast(sum(interactions) as bigint)  as interactions,
        cast(sum(positives) as bigint)     as positives,
        min(first_time)                    as first_time,
        max(last_time)                     as last_time,
        cast(sum(ratio_millis) as bigint)  as ratio_millis
    from watch_times
    group by item_id
),
final as (
    select
        sums.*,
        duration_bucket, author_id, upload_type, tag_id, caption_level_1, caption_level_2, caption_level_3,
        category_1, category_2, category_3, category_4
    from sums
    join video_details on sums.item_id = video_details.item_id
)
select * from final
order by item_id
