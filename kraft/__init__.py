"""KRAFT: candidates by ALS, ranking by LightGBM, built as an out-of-core columnar batch engine."""

# Here, for pyproject.toml too: to ask for the installed version takes each process 30 ms.
__version__ = "0.1.0"
