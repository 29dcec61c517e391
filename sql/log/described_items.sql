-- What a described log knows of an item besides its categories, in KuaiRec's columns of daily counts: a row without a
-- day and without counts.
--
-- Grain:      one row an item of the items' file
-- Inputs:     log_items, item_ids
-- Columns:
--   video_id      id of the item (item_ids)
--   date          NULL, as are all columns without a meaning here
--   author_id     number of its author, from 1, by length and letters of the author's own id; NULL where not known
--   video_type    no meaning here
--   upload_dt     the day of its upload as text
--   upload_type   its kind
--   video_tag_id        no meaning here
--   video_duration      no meaning here
--   show_cnt            no meaning here
--   play_cnt            no meaning here
--   play_duration       no meaning here
--   complete_play_cnt   no meaning here
--   long_time_play_cnt  no meaning here
--   short_time_play_cnt  no meaning here
--   like_cnt            no meaning here
--   play_progress       no meaning here
with authors as (
    select author, row_number() over (order by length(author), author) as author_id
    from (select distinct author from log_items where author is not null) as named
),
final as (
    select
        item_ids.item_id as video_id, cast(null as integer) as date, authors.author_id,
        cast(null as varchar) as video_type, cast(log_items.uploaded as varchar) as upload_dt, log_items.kind as upload_type,
        cast(null as bigint) as video_tag_id, cast(null as double) as video_duration, cast(null as double) as show_cnt,
        cast(null as double) as play_cnt, cast(null as double) as play_duration, cast(null as double) as complete_play_cnt,
        cast(null as double) as long_time_play_cnt, cast(null as double) as short_time_play_cnt,
        cast(null as double) as like_cnt, cast(null as double) as play_progress
    from log_items
    join item_ids on log_items.item_key = item_ids.id
    left join authors on log_items.author = authors.author
)
select * from final
order by video_id
