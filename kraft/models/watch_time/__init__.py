"""How long a user stays with a video: a factorization of the log watch time.

fit.py          the sweeps
log_matrix.py   watch times as a matrix on disk
video_prior.py  what is expected of a video that nobody has watched
model.py        the fitted model: saved, loaded, asked
"""
