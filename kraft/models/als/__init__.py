"""ALS factors of users and items (Hu, Koren, Volinsky 2008).

fit.py         the sweeps
dense.py       a half-sweep over a dense matrix
log_batches.py the train period, or counts of it, a batch at a time
log_matrix.py  the train period as a matrix on disk
factors.py     the fitted factors: saved, loaded, gathered
"""
