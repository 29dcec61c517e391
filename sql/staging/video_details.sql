-- What is known of a video before anyone has watched it. If a file is not there, its columns are NULL.
-- The daily file repeats a video's static facts: of several values the least is taken.
--
-- Grain:      one row a video of item_categories or of the log
-- Inputs:     interactions, video_metadata, item_daily, raw_kuairec_caption_category
-- Columns:
--   item_id          id of the video
--   video_index      0-based, ascending with the id
--   log_duration     length of the video [log s]
--   duration_bucket  length in steps of a quarter of log s
--   author_id        id of its author
--   upload_date      the day of its upload
--   upload_type      how it was uploaded: number of the type, from 1 in the order of the names
--   tag_id           its first tag
--   caption_level_1..caption_level_3  category of its caption, from coarse to fine
--   category_1..category_4  its content categories, ascending; NULL beyond its last
with lengths as (
    select item_id, min(video_duration) as milliseconds from interactions group by item_id
),
daily as (
    select
        item_id, min(author_id) as author_id, min(upload_date) as upload_date, min(upload_type) as upload_type,
        min(tag_id) as tag_id, min(video_duration) as milliseconds
    from item_daily
    group by item_id
),
upload_types as (
    select upload_type, row_number() over (order by upload_type) as number
    from (select distinct upload_type from daily where upload_type is not null) as named
),
captions as (
    -- KuaiRec writes -124 where a level is unknown.
    select
        video_id                                                                       as item_id,
        min(case when first_level_category_id >= 0 then first_level_category_id end)   as caption_level_1,
        min(case when second_level_category_id >= 0 then second_level_category_id end) as caption_level_2,
        min(case when third_level_category_id >= 0 then third_level_category_id end)   as caption_level_3
    from raw_kuairec_caption_category
    group by video_id
),
listed as (
    select distinct item_id, unnest(feat) as category from video_metadata
),
categories as (
    select item_id, category, row_number() over (partition by item_id order by category) as number from listed
),
spread as (
    select
        item_id,
        max(case when number = 1 then category end) as category_1, max(case when number = 2 then category end) as category_2,
        max(case when number = 3 then category end) as category_3, max(case when number = 4 then category end) as category_4
    from categories
    group by item_id
),
videos as (
    select item_id from lengths union select item_id from video_metadata
),
final as (
    select
        videos.item_id,
        cast(row_number() over (order by videos.item_id) - 1 as integer)              as video_index,
        ln(coalesce(lengths.milliseconds, daily.milliseconds) / 1e3)                  as log_duration,
        cast(floor(4e0 * ln(coalesce(lengths.milliseconds, daily.milliseconds) / 1e3)) as bigint) as duration_bucket,
        daily.* exclude (item_id, milliseconds, upload_type),
        upload_types.number as upload_type,
        captions.* exclude (item_id),
        spread.* exclude (item_id)
    from videos
    left join lengths on videos.item_id = lengths.item_id
    left join daily on videos.item_id = daily.item_id
    left join upload_types on daily.upload_type = upload_types.upload_type
    left join captions on videos.item_id = captions.item_id
    left join spread on videos.item_id = spread.item_id
)
select * from final
order by item_id
