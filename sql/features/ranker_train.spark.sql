-- `ranker_train.sql` for Spark, which keeps no order of an input: it is asked for by the place of each row in the file
-- of interactions_train, the column row_index that `kraft.spark` adds.
with final as (
    select
        train.user_id,
        train.item_id,
        train.positive_interaction,
        users.* exclude (user_id),
        items.* exclude (item_id)
    from interactions_train as train
    join ranker_users as users on train.user_id = users.user_id
    join ranker_items as items on train.item_id = items.item_id
    order by train.row_index
)
select * from final
