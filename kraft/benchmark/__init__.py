"""Measurements of KRAFT that anyone can rerun: `python -m jobs.benchmark`.

Every process is measured from outside, every comparison runs its sides by turns in one call, and each side's
results are compared, so that nobody wins by doing less.
"""
