-- How the lists use the catalogue as a whole. Novelty is the self-information of a recommended video, the chance
-- that a random user of train met it (Zhou et al. 2010, doi 10.1073/pnas.1000488107; the expected free discovery of
-- Vargas and Castells 2011, doi 10.1145/2043932.2043955, without discounts); a cold video counts as if one user had.
-- The Gini index is that of Shani and Gunawardana 2011, doi 10.1007/978-0-387-85820-3_8, over the whole catalogue.
-- Its sum is of whole numbers, and novelty is summed as decimals: the order of the rows does not matter.
--
-- Grain:      one row
-- Inputs:     video_exposure, interactions_train
-- Columns:
--   videos     of the catalogue [rows]
--   shown      of these, recommended to anyone [rows]
--   coverage   shown / videos [0 to 1]
--   novelty    mean over the recommendations of -log2 of the share of users who met the video [bit]
--   gini       0: all videos are shown alike; 1: one has all the exposure; NULL where nothing is shown, or one video
--              is all the catalogue [0 to 1]
with users as (
    select count(distinct user_id) as users from interactions_train
),
ordered as (
    select shown, met_by, row_number() over (order by shown, item_id) as number from video_exposure
),
sums as (
    select
        count(*)                                as videos,
        count(*) filter (where shown > 0)       as shown,
        coalesce(sum(shown), 0)                 as listed,
        coalesce(sum(2 * number * shown), 0)    as weighted,
        sum(cast(shown * log2(1e0 * greatest(users.users, 1) / greatest(met_by, 1)) as decimal(28, 12))) as information
    from ordered
    cross join users
),
final as (
    select
        videos,
        shown,
        1e0 * shown / nullif(videos, 0)                                                       as coverage,
        cast(information as double) / nullif(listed, 0)                                       as novelty,
        1e0 * (weighted - (videos + 1) * listed) / nullif(1e0 * (videos - 1) * listed, 0e0)   as gini
    from sums
)
select * from final
