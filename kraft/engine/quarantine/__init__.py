"""Raw files without their bad rows.

screening.py      finds the bad rows of a file, each with its line and the rule that it breaks
rejected_rows.py  the table of them
quarantined.py    what a job tells of them
"""
