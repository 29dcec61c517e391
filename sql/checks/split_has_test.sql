-- A log that ends before the test period begins.
--
-- Inputs:     split
-- Parameters: $test_from
-- Guards:     split
select
    'the test period must hold at least 1 interaction'  as rule,
    'Give an earlier --test-from.'                      as remedy,
    $test_from                                          as test_from,
    cut_timestamp                                       as last_timestamp
from split
where $test_from > 0 and cut_index = n
