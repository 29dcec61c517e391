-- What users liked in the test period: candidates and lists are compared with it. If lists leave out what a user has
-- seen, so does the truth. Videos that are not in the catalogue are left out, too.
--
-- Grain:      one row a test pair with a positive interaction
-- Inputs:     test_positives, interactions_train, catalogue
-- Parameters: $exclude_seen
-- Columns:
--   user_id  id of the user
--   item_id  id of the video
with seen as (
    select user_id, item_id from interactions_train where $exclude_seen
),
final as (
    select test_positives.user_id, test_positives.item_id
    from test_positives
    semi join catalogue on test_positives.item_id = catalogue.item_id
    anti join seen on test_positives.user_id = seen.user_id and test_positives.item_id = seen.item_id
)
select * from final
order by user_id, item_id
