"""Raw files without their bad rows.

screening.py      finds the bad rows of a file, each with its line and the rule that it breaks
csv_records.py    the rows of a CSV file, good or bad, each with its line
rejected_rows.py  the table of them
quarantined.py    what a job tells of them
"""
