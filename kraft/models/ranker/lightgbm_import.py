"""LightGBM, without the packages that it would load for wrappers that KRAFT does not use.

lightgbm.dask needs dask, and cannot be loaded if Python strips docstrings (-OO), because it edits them.
"""

from kraft.engine.process.hidden_packages import hidden

with hidden("dask", "matplotlib", "pandas", "sklearn", "lightgbm.dask"):
    import lightgbm

__all__ = ["lightgbm"]
