"""Tables from SELECTs: the files of `sql/`, the sessions that run them, and the sources that they read.

queries.py       the files of `sql/` and their headers
session.py       the only place that opens DuckDB
builder.py       builds what is out of date, in the order of the inputs
chunks.py        large tables, made for some users at a time
sources.py       what stands behind a table's name
raw_file.py      a user's raw file behind it: header, types, what is wrong with it
casts.py         how a value becomes the type that is asked for
distinct.py      tables of distinct rows, grouped only where rows repeat
column_types.py  whether a Parquet column can hold what is asked of it
file_kinds.py    whether a file is what its name says
csv_texts.py     small CSV files that DuckDB refuses
given.py         files that a user hands over: --pairs, --users, --items, --compare (ids.py: those of ids)
"""
