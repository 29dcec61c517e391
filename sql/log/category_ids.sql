-- Which number each category of a described log's items has: its own, if all are integers, else by its name.
--
-- Grain:      one row a category
-- Inputs:     log_items
-- Columns:
--   category_id  the category itself, or 0-based, by length and letters of the name
--   name         as the log has it
with listed as (
    select distinct unnest(categories) as name from log_items
),
texts as (
    select count(*) as found from listed where not regexp_matches(name, '^[0-9]{1,9}$')
),
numbered as (
    select name, row_number() over (order by length(name), name) - 1 as number from listed
),
final as (
    select
        cast(case when texts.found = 0 then cast(numbered.name as bigint) else numbered.number end as integer) as category_id,
        numbered.name
    from numbered
    cross join texts
)
select * from final
order by category_id, name
