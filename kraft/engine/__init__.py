"""The out-of-core engine: it knows tables, files and processes, and nothing of recommenders.

sql/         DuckDB sessions, the files of `sql/`, and what stands behind a table's name
quarantine/  raw files without their bad rows
workspace/   the work folder: what is in it, what is up to date, what readers see
process/     a stage in its own process, its memory and its progress
outputs.py   what a job may write, and what it may not replace; targets.py: where a file is written
frames.py    Polars frames of files
paths.py     names of files and columns, which always mean themselves
extras.py    what an optional part of KRAFT needs
"""
