-- Where the train period ends.
--
-- Grain:      one row
-- Inputs:     split
-- Columns:
--   n              interactions that take part [rows]
--   cut_index      of these, in the train period [rows]
--   cut_timestamp  timestamp of the last train row [s]; NULL where that row has none
select n, cut_index, cut_timestamp from split
