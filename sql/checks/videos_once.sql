-- Videos that occur in item_categories more than once, or have no valid id.
--
-- Inputs:     video_metadata
-- Guards:     video_metadata
select 'video_id must be an integer from 0 on, once a video' as rule, item_id as video_id, count(*) as found
from video_metadata
group by item_id
having count(*) > 1 or item_id is null or item_id < 0
order by item_id
