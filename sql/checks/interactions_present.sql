-- A log from which no interaction can be learned, or none tested.
--
-- Inputs:     interactions
-- Guards:     interactions
select 'the file must hold at least 5 interactions' as rule, count(*) as found
from interactions
having count(*) < 5
