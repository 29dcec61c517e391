-- The table interactions of a described log, in place of sql/staging/interactions.sql: the description says what is
-- positive, and a log need not have watch times or lengths.
--
-- Grain:      one row a distinct interaction; a pair may occur again at another time
-- Inputs:     log_rows, user_ids, item_ids
-- Columns:
--   user_id               id of the user (user_ids)
--   item_id               id of the item (item_ids)
--   play_duration         time watched [ms]; NULL where the log has none
--   video_duration        length of the item [ms]; NULL where it is not known
--   watch_ratio           play_duration / video_duration; NULL where one is not known
--   timestamp             when, unix time [s]; NULL where the log has none
--   date                  the day in UTC as yyyymmdd; NULL where the log has no time
--   positive_interaction  the label of the description
--   copies                how often the log holds this very row [rows]
with raw as (
    select
        user_ids.user_id,
        item_ids.item_id,
        log_rows.play_duration,
        log_rows.video_duration,
        log_rows.watch_ratio,
        log_rows.timestamp,
        log_rows.date,
        log_rows.label as positive_interaction
    from log_rows
    join user_ids on log_rows.user_key = user_ids.id
    join item_ids on log_rows.item_key = item_ids.id
),
final as (
    select
        *,
        cast(count(*) as integer) as copies
    from raw
    group by all
)
select * from final
order by timestamp nulls last, user_id, item_id, play_duration, video_duration, watch_ratio, date, positive_interaction
