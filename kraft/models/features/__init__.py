"""Stored columns as the ranker's feature vectors, one row group in memory at a time.

feature_table.py  access to rows, for LightGBM and for scoring
documented.py     the documented pipeline: stored features and ALS factors
pairs.py          the preset kraft: stored features and what the watch time model says
"""
