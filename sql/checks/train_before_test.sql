-- Train rows that are not the first cut_index of the log: too many, too few, or later than the cut.
--
-- Inputs:     interactions_train, split
-- Guards:     interactions_train
with train as (
    select count(*) as train_rows, max(timestamp) as last_timestamp from interactions_train
)
select 'the train period must be the first rows up to the cut' as rule, train_rows, cut_index, last_timestamp, cut_timestamp
from train
cross join split
where train_rows <> cut_index or last_timestamp > cut_timestamp
