-- Missing values of the log's videos. If a file is not there, all values of its columns are missing.
--
-- Grain:      one row
-- Inputs:     interactions, video_details
-- Columns:
--   total            videos of the log
--   duration         videos without a length
--   author_id        videos without it
--   upload_date      videos without it
--   upload_type      videos without it
--   tag_id           videos without it
--   caption_level_1..caption_level_3  videos without it
--   category         videos without any content category
with met as (
    select distinct item_id from interactions
),
final as (
    select
        count(*)                                 as total,
        count(*) - count(details.log_duration)   as duration,
        count(*) - count(details.author_id)      as author_id,
        count(*) - count(details.upload_date)    as upload_date,
        count(*) - count(details.upload_type)    as upload_type,
        count(*) - count(details.tag_id)         as tag_id,
        count(*) - count(details.caption_level_1) as caption_level_1,
        count(*) - count(details.caption_level_2) as caption_level_2,
        count(*) - count(details.caption_level_3) as caption_level_3,
        count(*) - count(details.category_1)     as category
    from met
    left join video_details as details on met.item_id = details.item_id
)
select * from final
