"""The page of the scores, for `python -m jobs.evaluate --html`.

stage.py        gathers the reports, writes the page
scores.py       metrics against presets and baselines; precision, recall and NDCG place by place (sets.py: look-ups)
subsets.py      warm and cold videos, users of little activity
reliability.py  scores as probabilities
model.py        gain, contributions, learning curve
lists.py        candidates by source, recommended lists
users.py        three users: history, recommendations, reasons
runs.py         settings, versions; rows, seconds and memory of each stage
"""
