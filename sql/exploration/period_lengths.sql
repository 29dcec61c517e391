-- Lengths of the videos in train and in test: steps of a quarter of log s, as in duration_bins.
--
-- Grain:      one row a period and step that occurs
-- Inputs:     interactions, interactions_train, interactions_test
-- Columns:
--   period     train or test
--   step       from the shortest on; 0 begins at 1 s
--   low        length from which the step counts [s]
--   rows       train: interactions; test: pairs [rows]
--   positives  of these, positive [rows]
--   share      of all rows of the period whose video is in the log [0 to 1]
with lengths as (
    select item_id, cast(floor(4e0 * ln(min(video_duration) / 1e3)) as bigint) as step
    from interactions
    group by item_id
),
met as (
    select 'train' as period, item_id, positive_interaction from interactions_train
    union all
    select 'test' as period, item_id, positive_interaction from interactions_test
),
counted as (
    select met.period, lengths.step, count(*) as rows, count(*) filter (where met.positive_interaction) as positives
    from met
    inner join lengths on met.item_id = lengths.item_id
    where lengths.step is not null
    group by met.period, lengths.step
),
final as (
    select
        period,
        step,
        exp(step / 4e0)                                          as low,
        rows,
        positives,
        1e0 * rows / sum(rows) over (partition by period)        as share
    from counted
)
select * from final
order by period desc, step
