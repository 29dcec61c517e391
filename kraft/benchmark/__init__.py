"""Measurements of KRAFT that anyone can repeat: `python -m jobs.benchmark`. One file a question over one harness.

The harness: `setup` (data, limits, turns), `runner` and `measure_process` (a process measured from outside),
`process_monitor`, `run_stages`, `parity`, `report` (tables, checks) and `results` (RESULTS.md). Every other file
answers the question in its first line: it has a `Plan` of settings, and `run`.
"""
