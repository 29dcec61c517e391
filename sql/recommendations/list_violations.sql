-- Violations of the rule of lists: known videos, each once, at the ranks 1, 2, 3 and so on.
--
-- Grain:      one row
-- Inputs:     recommendations, catalogue
-- Columns:
--   incomplete   rows with a NULL in user_id, rank or item_id [rows]
--   repeated     videos that stand more than once in a list [rows]
--   misplaced    users whose ranks are not 1 to the length of the list [users]
--   unknown      rows of videos that the catalogue lacks [rows]
with rows_of_lists as (
    select count(*) filter (where user_id is null or item_id is null or rank is null) as incomplete from recommendations
),
pairs as (
    select count(*) as repeated
    from (select user_id, item_id from recommendations group by user_id, item_id having count(*) > 1) as found
),
users as (
    select count(*) as misplaced
    from (
        select user_id
        from recommendations
        group by user_id
        having min(rank) <> 1 or max(rank) <> count(*) or count(distinct rank) <> count(*)
    ) as found
),
strangers as (
    select count(*) as unknown from recommendations anti join catalogue on recommendations.item_id = catalogue.item_id
),
final as (
    select rows_of_lists.incomplete, pairs.repeated, users.misplaced, strangers.unknown
    from rows_of_lists
    cross join pairs
    cross join users
    cross join strangers
)
select * from final
