-- What each user liked last. A video counts at its newest positive interaction; an interaction without a time
-- is the newest. At equal times the lower id comes first.
--
-- Grain:      one row a user of train and one of the user's last $recent_positives videos with a positive interaction
-- Inputs:     interactions_train, user_index, item_index
-- Parameters: $recent_positives
-- Columns:
--   user_index  row of the user factors
--   rank       1 is the newest
--   item_index  row of the item factors
with newest as (
    select user_id, item_id, max(coalesce(timestamp, 1e300)) as moment
    from interactions_train
    where positive_interaction
    group by user_id, item_id
),
ranked as (
    select
        users.user_index,
        items.item_index,
        row_number() over (partition by users.user_index order by newest.moment desc, items.item_index) as rank
    from newest
    join user_index as users on newest.user_id = users.user_id
    join item_index as items on newest.item_id = items.item_id
),
final as (
    select user_index, cast(rank as integer) as rank, item_index
    from ranked
    where rank <= $recent_positives
)
select * from final
order by user_index, rank
