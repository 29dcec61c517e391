-- How often each video of the catalogue is recommended, and how many users knew it in train.
--
-- Grain:      one row a video of the catalogue
-- Inputs:     catalogue, recommendations, interactions_train
-- Parameters: $top
-- Columns:
--   item_id   id of the video
--   shown     lists that hold it among their first $top [users]
--   met_by    users who met it in train; 0 if cold [users]
with lists as (
    select item_id, count(*) as shown from recommendations where rank <= $top group by item_id
),
met as (
    select item_id, count(distinct user_id) as met_by from interactions_train group by item_id
),
final as (
    select
        catalogue.item_id,
        cast(coalesce(lists.shown, 0) as integer)  as shown,
        cast(coalesce(met.met_by, 0) as integer)   as met_by
    from catalogue
    left join lists on catalogue.item_id = lists.item_id
    left join met on catalogue.item_id = met.item_id
)
select * from final
order by item_id
