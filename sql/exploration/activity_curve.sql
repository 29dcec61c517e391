-- Lorenz curve and long tail: users and videos from the least to the most active, in steps of one percent.
--
-- Grain:      one row a side and step that occurs
-- Inputs:     interactions
-- Columns:
--   side                users or videos
--   percent             the step: users or videos up to here [% of them, 1 to 100]
--   entity_share        the same, exactly [0 to 1]
--   interaction_share   share of all interactions that these have together [0 to 1]
--   interactions        of the most active one among them [rows]
with counted as (
    select 'users' as side, user_id as id, count(*) as met from interactions group by user_id
    union all
    select 'videos' as side, item_id as id, count(*) as met from interactions group by item_id
),
running as (
    select
        side,
        met,
        row_number() over (partition by side order by met, id)  as rank,
        sum(met) over (partition by side order by met, id)      as through,
        count(*) over (partition by side)                       as entities,
        sum(met) over (partition by side)                       as whole
    from counted
),
final as (
    select
        side,
        cast(ceil(1e2 * rank / entities) as bigint)  as percent,
        max(1e0 * rank / entities)                   as entity_share,
        max(1e0 * through / whole)                    as interaction_share,
        max(met)                                      as interactions
    from running
    group by side, cast(ceil(1e2 * rank / entities) as bigint)
)
select * from final
order by side, percent
