-- When in the week people watch, in UTC+8.
--
-- Grain:      one row a weekday and hour that occurs
-- Inputs:     interactions
-- Columns:
--   weekday       0 is Monday [0 to 6]
--   hour          of the day [0 to 23]
--   interactions  in it, over all weeks [rows]
--   positives     of these, positive [rows]
with hours as (
    select cast(floor((timestamp + 28800) / 3600) as bigint) as hour, positive_interaction
    from interactions
    where timestamp is not null
),
counted as (
    select hour, count(*) as interactions, count(*) filter (where positive_interaction) as positives
    from hours
    group by hour
),
final as (
    select
        -- 1970-01-01 was a Thursday.
        (hour // 24 + 3) % 7               as weekday,
        hour % 24                          as hour,
        cast(sum(interactions) as bigint)  as interactions,
        cast(sum(positives) as bigint)     as positives
    from counted
    group by (hour // 24 + 3) % 7, hour % 24
)
select * from final
order by weekday, hour
