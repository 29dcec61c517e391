"""The ranker: a LightGBM model trained on rows that are never all in memory.

training.py            dataset, boosting, the trained model
validation.py          which rows it learns from, and which decide when it stops
validation_process.py  the random ones, drawn in a process of their own
scoring.py             scores of a table of any length
explain.py             what each feature adds to a score
lightgbm_import.py     LightGBM without what it would bring along
"""
