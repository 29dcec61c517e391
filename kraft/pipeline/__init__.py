"""Which stage runs when: each job brings up to date what it needs, and says what that was.

pipeline.py   from raw files to scores and their evaluation
recommend.py  lists for every user, and their evaluation
results.py    what the stages of a job returned
summary.py    the lines that a job ends with
"""
