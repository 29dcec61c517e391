-- Missing values of the log.
--
-- Grain:      one row
-- Inputs:     interactions
-- Columns:
--   total           rows of the table [rows]
--   play_duration   rows without it [rows]
--   video_duration  rows without it [rows]
--   timestamp       rows without it [rows]
--   date            rows without it [rows]
--   watch_ratio     rows without it [rows]
select
    count(*)                          as total,
    count(*) - count(play_duration)   as play_duration,
    count(*) - count(video_duration)  as video_duration,
    count(*) - count(timestamp)       as timestamp,
    count(*) - count(date)            as date,
    count(*) - count(watch_ratio)     as watch_ratio
from interactions
