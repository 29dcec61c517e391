-- Which number each user of a described log has inside KRAFT. Numbers follow the ids as integers do, so that 9 comes
-- before 10, whether the log writes them as integers or as text.
--
-- Grain:      one row a user of the log or of the users' file
-- Inputs:     log_rows, log_users
-- Columns:
--   user_id  0-based, by length and letters of the id
--   id       the log's own id
with listed as (
    select user_key as id from log_rows union select user_key from log_users
),
final as (
    select cast(row_number() over (order by length(id), id) - 1 as integer) as user_id, id from listed
)
select * from final
order by user_id
