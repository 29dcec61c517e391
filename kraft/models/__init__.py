"""The algorithms, on arrays and batches: they know no stage and no preset.

als/             factors of users and items
watch_time/      how long a user stays with a video
features/        stored columns as feature vectors, batch by batch
ranker/          LightGBM: training, validation, scores, explanations
candidates/      from the whole catalogue to some hundred videos a user
rerank.py        variety in a list
code_columns.py  a column for each category that occurs
positives.py     labels that nothing can be learned from
cold_pairs.py    pairs of users and videos that the models have not met
"""
