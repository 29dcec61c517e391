-- The test pairs of the protocol big-to-small, in place of a test period: those of small_matrix, where nearly every user
-- met every video. A user who is not in train cannot be ranked and is left out.
--
-- Grain:      one row a distinct (user_id, item_id) of observed_interactions
-- Inputs:     observed_interactions, user_index
-- Columns:
--   user_id               id of the user
--   item_id               id of the video
--   interaction_count     interactions of the pair [rows]
--   positive_interaction  whether any of them was positive
--   timestamp             the first of them, unix time [s]; NULL where the log has none
with final as (
    select
        met.user_id,
        met.item_id,
        cast(count(*) as integer)      as interaction_count,
        max(met.positive_interaction)  as positive_interaction,
        min(met.timestamp)             as timestamp
    from observed_interactions as met
    semi join user_index on met.user_id = user_index.user_id
    group by met.user_id, met.item_id
)
select * from final
order by user_id, item_id
