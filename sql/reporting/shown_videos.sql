-- What people can read of the videos in the examples. Unknown values are NULL.
--
-- Grain:      one row a video of shown_pairs
-- Inputs:     shown_pairs, video_details, video_texts
-- Columns:
--   item_id     id of the video
--   caption     its caption, without line ends
--   category_name_1..category_name_3  names of the caption's categories, from coarse to fine
--   categories  ids of its content categories, such as 8, 27
--   seconds     length [s]
with shown as (
    select distinct item_id from shown_pairs
),
final as (
    select
        shown.item_id,
        texts.caption,
        texts.category_name_1,
        texts.category_name_2,
        texts.category_name_3,
        nullif(concat_ws(', ', details.category_1, details.category_2, details.category_3, details.category_4), '')
            as categories,
        exp(details.log_duration)        as seconds
    from shown
    left join video_texts as texts on shown.item_id = texts.item_id
    left join video_details as details on shown.item_id = details.item_id
)
select * from final
order by item_id
