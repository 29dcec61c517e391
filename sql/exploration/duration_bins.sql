-- The positive rate by the length of the video, in steps of a quarter of log s (duration_bucket of video_details).
--
-- Grain:      one row a step that occurs
-- Inputs:     interactions
-- Columns:
--   step          from the shortest on; 0 begins at 1 s
--   low           length from which the step counts [s]
--   high          length at which the next one begins [s]
--   videos        distinct videos
--   interactions  of them [rows]
--   positives     of these, positive [rows]
--   median_ratio  median watch ratio
with stepped as (
    select
        cast(floor(4e0 * ln(video_duration / 1e3)) as bigint) as step,
        item_id,
        positive_interaction,
        watch_ratio
    from interactions
    where video_duration is not null
),
final as (
    select
        step,
        exp(step / 4e0)                               as low,
        exp((step + 1) / 4e0)                         as high,
        count(distinct item_id)                       as videos,
        count(*)                                      as interactions,
        count(*) filter (where positive_interaction)  as positives,
        median(watch_ratio)                           as median_ratio
    from stepped
    group by step
)
select * from final
order by step
