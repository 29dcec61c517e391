"""The page of the data, for `python -m jobs.explore`.

stage.py     runs the queries, writes the page
tables.py    the queries of `sql/exploration` and their rows
activity.py  the log as a whole; interactions a user and a video
labels.py    watch ratio, threshold, length of the video
times.py     days, hours, weekdays, the split
content.py   categories
quality.py   what is missing, what was rejected
drift.py     test period against train period
"""
