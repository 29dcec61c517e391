-- Videos whose categories are not a list of integers.
--
-- Inputs:     raw_item_categories
-- Guards:     video_metadata
-- Rejects:    raw_item_categories
select 'feat must be a list of category ids, integers of at most 9 digits, for example [27, 9]' as rule, video_id, feat
from raw_item_categories
where not regexp_matches(feat, '^ *\[ *([0-9]{1,9}( *, *[0-9]{1,9})*)? *\] *$')
order by video_id, feat
