-- The pairs that the ranker learns from if memory has no room for all: the newest, and at least half of the negatives
-- among them, with weights that restore their number. A multiplication of the ids modulo a prime chooses the rows, so it
-- is the same on every machine.
--
-- Grain:      one row a pair of label_pairs that is kept
-- Inputs:     label_pairs
-- Parameters: $most_rows
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   positive_interaction  the label
--   timestamp             when the pair first met [s]; NULL where the log has none
--   weight                how many pairs the row stands for: 1 where it is positive [rows]
with pairs as (
    select
        user_id, item_id, positive_interaction, timestamp,
        coalesce(floor(timestamp / 3600), 1e18) as hour,
        (cast(user_id as bigint) * 104729 + cast(item_id as bigint) * 7919 + 12345) * 31 % 1000003 / 1000003e0 as drawn,
        (cast(user_id as bigint) * 15485863 + cast(item_id as bigint) * 32452843 + 777) * 13 % 999983 / 999983e0 as drawn_again
    from label_pairs
),
hours as (
    select
        hour, count(*) as n,
        sum(case when positive_interaction then 1 else 0 end) as positives
    from pairs
    group by hour
),
total as (
    select sum(positives) as positives, sum(n) - sum(positives) as negatives from hours
),
thinned as (
    select least(greatest(($most_rows - positives) / nullif(1e0 * negatives, 0e0), 5e-1), 1e0) as share from total
),
sizes as (
    select hour, positives + (n - positives) * coalesce(thinned.share, 1e0) as size from hours cross join thinned
),
-- Whole hours from the newest back, and a share of the hour that does not fit.
newest as (
    select hour, size, sum(size) over (order by hour desc) - size as newer from sizes
),
kept_hours as (
    select hour, least(1e0, ($most_rows - newer) / size) as part from newest where newer < $most_rows
),
kept as (
    select pairs.*, thinned.share
    from pairs
    join kept_hours on pairs.hour = kept_hours.hour
    cross join thinned
    where drawn_again < kept_hours.part
),
weights as (
    select
        1e0 * sum(case when positive_interaction then 0 else 1 end)
            / nullif(sum(case when not positive_interaction and drawn < share then 1 else 0 end), 0) as of_negatives
    from kept
),
final as (
    select
        user_id, item_id, positive_interaction, timestamp,
        cast(case when positive_interaction then 1e0 else weights.of_negatives end as float) as weight
    from kept
    cross join weights
    where positive_interaction or drawn < coalesce(share, 1e0)
)
select * from final
order by user_id, item_id, timestamp nulls last, positive_interaction
