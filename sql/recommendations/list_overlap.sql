-- The share of a reference's lists that the lists contain too, at any rank.
--
-- Grain:      one row
-- Inputs:     recommendations, reference
-- Parameters: $top
-- Columns:
--   overlap  mean over the users of the reference: share of their list that is in the other too [0 to 1]; NULL without one
with users as (
    select
        reference.user_id,
        count(*)                          as videos,
        count(recommendations.item_id)    as shared
    from reference
    left join recommendations
        on reference.user_id = recommendations.user_id
        and reference.item_id = recommendations.item_id
        and recommendations.rank <= $top
    where reference.rank <= $top
    group by reference.user_id
),
final as (
    select
        cast(sum(cast(1e0 * shared / videos as decimal(18, 15))) as double) / nullif(count(*), 0) as overlap
    from users
)
select * from final
