-- What people can read of a video: its caption, and the names of the caption's categories. The file writes UNKNOWN for
-- a missing one. A video that occurs more than once gets the least of its texts.
--
-- Grain:      one row a video of kuairec_caption_category
-- Inputs:     raw_kuairec_caption_category
-- Columns:
--   item_id  id of the video
--   caption  its caption, white space and line ends as one blank; NULL where it has none
--   category_name_1..category_name_3  category of the caption, from coarse to fine; NULL where it is not known
with listed as (
    select
        video_id                                                as item_id,
        trim(regexp_replace(caption, '[\r\n\t ]+', ' ', 'g'))   as caption,
        trim(first_level_category_name)                         as name_1,
        trim(second_level_category_name)                        as name_2,
        trim(third_level_category_name)                         as name_3
    from raw_kuairec_caption_category
),
final as (
    select
        item_id,
        min(case when caption not in ('', 'UNKNOWN') then caption end)  as caption,
        min(case when name_1 not in ('', 'UNKNOWN') then name_1 end)    as category_name_1,
        min(case when name_2 not in ('', 'UNKNOWN') then name_2 end)    as category_name_2,
        min(case when name_3 not in ('', 'UNKNOWN') then name_3 end)    as category_name_3
    from listed
    group by item_id
)
select * from final
order by item_id
