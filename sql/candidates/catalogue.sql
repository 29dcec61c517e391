-- Every video that may be recommended: its rows in the models, and its expected rates.
-- A video without a history has no rate, but the rates of its groups (length, author, categories, caption, tag, upload).
--
-- Grain:      one row a video of video_details
-- Inputs:     item_features, item_index, item_counts
-- Columns:
--   item_id        id of the video
--   video_index    row of the watch time model
--   item_index     row of the ALS factors; NULL for a video that is not in train
--   rate           its smoothed positive rate [0 to 1]; NULL without a history
--   expected_rate  mean of those rates of its groups that are known, else the mean positive rate of train [0 to 1]
--   interactions   its interactions in train [rows]; 0 without a history
--   upload_days    days from its upload to the end of the history [d]; NULL where unknown
--   log_duration   length of the video [log s]; NULL where unknown
--   author_id      id of its author; NULL where unknown
--   category_1..category_4  its content categories, ascending; NULL beyond its last
with overall as (
    select 1e0 * sum(positive_count) / sum(interaction_count) as rate from item_counts
),
videos as (
    select
        *,
        case when duration_rate is null then 0 else 1 end + case when author_rate is null then 0 else 1 end
            + case when category_rate is null then 0 else 1 end + case when caption_rate_1 is null then 0 else 1 end
            + case when caption_rate_2 is null then 0 else 1 end + case when caption_rate_3 is null then 0 else 1 end
            + case when tag_rate is null then 0 else 1 end + case when upload_rate is null then 0 else 1 end as known,
        coalesce(duration_rate, 0e0) + coalesce(author_rate, 0e0)
            + coalesce(category_rate, 0e0) + coalesce(caption_rate_1, 0e0)
            + coalesce(caption_rate_2, 0e0) + coalesce(caption_rate_3, 0e0)
            + coalesce(tag_rate, 0e0) + coalesce(upload_rate, 0e0) as total
    from item_features
),
final as (
    select
        videos.item_id,
        videos.video_index,
        item_index.item_index,
        cast(videos.item_rate as double)                             as rate,
        coalesce(videos.total / nullif(videos.known, 0), overall.rate) as expected_rate,
        cast(coalesce(item_counts.interaction_count, 0) as integer)  as interactions,
        videos.upload_days,
        videos.log_duration,
        videos.author_id,
        videos.category_1, videos.category_2, videos.category_3, videos.category_4
    from videos
    cross join overall
    left join item_index on videos.item_id = item_index.item_id
    left join item_counts on videos.item_id = item_counts.item_id
)
select * from final
order by item_id
