-- Features of a video for the preset kraft. Unknown values are NULL.
--
-- Grain:      one row a video of video_details
-- Inputs:     video_details, item_stats, smoothed_rates, daily_stats, interactions_train
-- Columns:
--   item_id            id of the video
--   video_index        row of the video factors
--   duration_bucket    length in steps of a quarter of log s
--   author_id          id of its author
--   category_1..category_4  its content categories, ascending
--   log_duration       length of the video [log s]
--   item_count         its interactions in the history [rows]
--   item_rate          its smoothed positive rate [0 to 1]
--   item_ratio         smoothed mean of its watch ratios
--   item_daily          days from its first interaction to the end of the history [d]
--   item_idle_days     days from its last interaction to the end of the history [d]
--   upload_days        days from its upload to the end of the history [d]
--   duration_rate      smoothed positive rate of videos as long as it [0 to 1]
--   author_rate        smoothed positive rate of its author's videos [0 to 1]
--   category_rate      mean over its categories of their smoothed positive rates [0 to 1]
--   caption_rate_1..caption_rate_3  smoothed positive rate of the caption's categories, from coarse to fine [0 to 1]
--   tag_rate           smoothed positive rate of its tag [0 to 1]
--   upload_rate        smoothed positive rate of its way of upload [0 to 1]
--   num_categories     its content categories
--   daily_days         days with counts [d]
--   daily_shows        times it was shown, ln(1 + times)
--   daily_log_time     mean time of a play [log s]
--   daily_complete     plays to the end / plays
--   daily_long         long plays / plays
--   daily_short        short plays / plays
--   daily_like         likes / times it was shown
--   daily_progress     mean share of the video that a play reached
with history as (
    select max(timestamp) as last_time, max(date) as last_date from interactions_train
),
ends as (
    select
        last_time,
        -- NULL where the log's date is no day.
        try_cast(
            cast(last_date // 10000 as varchar) || '-' || cast(last_date // 100 % 100 as varchar)
            || '-' || cast(last_date % 100 as varchar) as date
        ) as last_day
    from history
),
rates as (
    select kind, key, rate, ratio from smoothed_rates
),
final as (
    select
        videos.item_id, videos.video_index, videos.duration_bucket, videos.author_id,
        videos.category_1, videos.category_2, videos.category_3, videos.category_4,
        cast(videos.log_duration as float)                                          as log_duration,
        cast(totals.interactions as float)                                          as item_count,
        cast(item.rate as float)                                                    as item_rate,
        cast(item.ratio as float)                                                   as item_ratio,
        cast((ends.last_time - totals.first_time) / 864e2 as float)                 as item_daily,
        cast((ends.last_time - totals.last_time) / 864e2 as float)                  as item_idle_days,
        cast(date_diff('day', videos.upload_date, ends.last_day) as float)          as upload_days,
        cast(duration.rate as float)                                                as duration_rate,
        cast(author.rate as float)                                                  as author_rate,
        cast((coalesce(c1.rate, 0e0) + coalesce(c2.rate, 0e0) + coalesce(c3.rate, 0e0) + coalesce(c4.rate, 0e0))
            / nullif(case when c1.rate is null then 0 else 1 end + case when c2.rate is null then 0 else 1 end
                + case when c3.rate is null then 0 else 1 end + case when c4.rate is null then 0 else 1 end, 0) as float) as category_rate,
        cast(caption_1.rate as float) as caption_rate_1, cast(caption_2.rate as float) as caption_rate_2,
        cast(caption_3.rate as float) as caption_rate_3,
        cast(tag.rate as float) as tag_rate, cast(upload.rate as float) as upload_rate,
        case when videos.category_1 is null then 0 else 1 end + case when videos.category_2 is null then 0 else 1 end
            + case when videos.category_3 is null then 0 else 1 end + case when videos.category_4 is null then 0 else 1 end as num_categories,
        daily_stats.* exclude (item_id)
    from video_details as videos
    cross join ends
    left join item_stats as totals on videos.item_id = totals.item_id
    left join daily_stats on videos.item_id = daily_stats.item_id
    left join rates as item on item.kind = 'item' and videos.item_id = item.key
    left join rates as duration on duration.kind = 'duration' and videos.duration_bucket = duration.key
    left join rates as author on author.kind = 'author' and videos.author_id = author.key
    left join rates as c1 on c1.kind = 'category' and videos.category_1 = c1.key
    left join rates as c2 on c2.kind = 'category' and videos.category_2 = c2.key
    left join rates as c3 on c3.kind = 'category' and videos.category_3 = c3.key
    left join rates as c4 on c4.kind = 'category' and videos.category_4 = c4.key
    left join rates as caption_1 on caption_1.kind = 'caption_1' and videos.caption_level_1 = caption_1.key
    left join rates as caption_2 on caption_2.kind = 'caption_2' and videos.caption_level_2 = caption_2.key
    left join rates as caption_3 on caption_3.kind = 'caption_3' and videos.caption_level_3 = caption_3.key
    left join rates as tag on tag.kind = 'tag' and videos.tag_id = tag.key
    left join rates as upload on upload.kind = 'upload' and videos.upload_type = upload.key
)
select * from final
order by item_id
