-- How long each user's list is, and how unlike one another its videos are: intra-list diversity (Ziegler et al. 2005,
-- doi 10.1145/1060745.1060754), with the Jaccard similarity of the videos' sets of categories. A video without a
-- category is like no other. Two videos have at most eight categories together, so every similarity is a whole
-- multiple of 1 / 840, and their sum is exact.
--
-- Grain:      one row a user with a list
-- Inputs:     recommendations, catalogue
-- Parameters: $top
-- Columns:
--   user_id    id of the user
--   videos     of the list, up to $top [rows]
--   diversity  1 less the mean similarity of two videos [0 to 1]; NULL for a list of one video
with listed as (
    select
        recommendations.user_id, recommendations.rank,
        catalogue.category_1 as c1, catalogue.category_2 as c2, catalogue.category_3 as c3, catalogue.category_4 as c4,
        case when catalogue.category_1 is null then 0 else 1 end
            + case when catalogue.category_2 is null then 0 else 1 end
            + case when catalogue.category_3 is null then 0 else 1 end
            + case when catalogue.category_4 is null then 0 else 1 end as categories
    from recommendations
    left join catalogue on recommendations.item_id = catalogue.item_id
    where recommendations.rank <= $top
),
pairs as (
    select
        one.user_id,
        one.categories + other.categories as categories,
        case when one.c1 in (other.c1, other.c2, other.c3, other.c4) then 1 else 0 end
            + case when one.c2 in (other.c1, other.c2, other.c3, other.c4) then 1 else 0 end
            + case when one.c3 in (other.c1, other.c2, other.c3, other.c4) then 1 else 0 end
            + case when one.c4 in (other.c1, other.c2, other.c3, other.c4) then 1 else 0 end as shared
    from listed as one
    inner join listed as other on one.user_id = other.user_id and one.rank < other.rank
),
likenesses as (
    select
        user_id,
        count(*)                                                             as pairs,
        sum(coalesce(840 * shared // nullif(categories - shared, 0), 0))     as likeness
    from pairs
    group by user_id
),
lengths as (
    select user_id, count(*) as videos from listed group by user_id
),
final as (
    select
        lengths.user_id,
        cast(lengths.videos as integer)                                              as videos,
        1e0 - 1e0 * likenesses.likeness / nullif(840e0 * likenesses.pairs, 0e0)      as diversity
    from lengths
    left join likenesses on lengths.user_id = likenesses.user_id
)
select * from final
order by user_id
