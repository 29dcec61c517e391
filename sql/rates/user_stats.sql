-- Features of a user for the preset kraft: the history in sums and rates, and what friends like.
--
-- Grain:      one row a user of watch_times
-- Inputs:     watch_times, smoothed_rates, friends, interactions_train
-- Columns:
--   user_id         id of the user
--   user_index      row of the user factors
--   user_count      the user's interactions in the history [rows]
--   user_rate       smoothed positive rate [0 to 1]
--   user_ratio      smoothed mean of the watch ratios, each cut at 5
--   user_log_time   mean watch time [log s]
--   user_idle_days  days from the last interaction to the end of the history [d]
--   friend_rate     mean of user_rate over the user's friends [0 to 1]; NULL without friends
with history as (
    select max(timestamp) as last_time from interactions_train
),
users as (
    select
        user_id, user_index, max(last_time) as last_time,
        cast(sum(cast(log_time as decimal(18, 9))) as double) / count(*) as user_log_time
    from watch_times
    group by user_id, user_index
),
rates as (
    select key as user_id, interactions, rate, ratio from smoothed_rates where kind = 'user'
),
friend_rates as (
    select friends.user_id, cast(sum(cast(rates.rate as decimal(18, 15))) as double) / count(*) as friend_rate
    from friends
    join rates on friends.friend_id = rates.user_id
    group by friends.user_id
),
final as (
    select
        users.user_id, users.user_index,
        cast(rates.interactions as float)                               as user_count,
        cast(rates.rate as float)                                       as user_rate,
        cast(rates.ratio as float)                                      as user_ratio,
        cast(users.user_log_time as float)                              as user_log_time,
        cast((history.last_time - users.last_time) / 864e2 as float)    as user_idle_days,
        cast(friend_rates.friend_rate as float)                         as friend_rate
    from users
    cross join history
    join rates on users.user_id = rates.user_id
    left join friend_rates on users.user_id = friend_rates.user_id
)
select * from final
order by user_id
