-- How frequent each caption category of the coarsest level is in the log, and how often its videos are liked.
--
-- Grain:      one row a name, and one for the videos that have none
-- Inputs:     interactions, video_texts
-- Columns:
--   name          of the category; NULL where it is not known
--   videos        videos of the log in it
--   interactions  of them [rows]
--   positives     of these, positive [rows]
with counted as (
    select item_id, count(*) as met, count(*) filter (where positive_interaction) as liked
    from interactions
    group by item_id
),
final as (
    select
        texts.category_name_1               as name,
        count(*)                            as videos,
        cast(sum(counted.met) as bigint)    as interactions,
        cast(sum(counted.liked) as bigint)  as positives
    from counted
    left join video_texts as texts on counted.item_id = texts.item_id
    group by texts.category_name_1
)
select * from final
order by interactions desc, name
