-- A log that ends before the test period begins. If all of it is to be learned from ($train_fraction 1), that is meant.
--
-- Inputs:     split
-- Parameters: $train_fraction, $test_from
-- Guards:     split
select
    'the test period must hold at least 1 interaction'  as rule,
    'Give an earlier --test-from.'                      as remedy,
    $test_from                                          as test_from,
    cut_timestamp                                       as last_timestamp
from split
where cut_index = n and $train_fraction < 1
