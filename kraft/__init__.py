"""KRAFT: candidates by ALS, ranking by LightGBM, built as an out-of-core columnar batch engine."""

from importlib.metadata import version

__version__ = version("kraft")
