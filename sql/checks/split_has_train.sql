-- A log so short, or a train fraction so small, that no interaction is left to learn from.
--
-- Inputs:     split
-- Parameters: $train_fraction, $null_timestamps
-- Guards:     split
select
    'the train period must hold at least 1 interaction'       as rule,
    'Give a longer log, a greater --train-fraction or a later --test-from.' as remedy,
    $train_fraction                                           as train_fraction,
    $null_timestamps                                          as null_timestamps
from split
having count(*) = 0
