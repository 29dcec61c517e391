"""LightGBM, loaded without what it would bring along.

LightGBM's own classes need NumPy, SciPy and pyarrow. On import it also looks for scikit-learn and pandas, for wrappers
and input types that are not used here, and loads both where it finds them: 100 MiB of memory and 1.4 s of CPU in every
process that trains or scores. It takes their absence for an answer, and is given it. Whoever imports them afterwards
gets them as ever.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL = ("dask", "matplotlib", "pandas", "sklearn", "lightgbm.dask")
"""The last is a part of LightGBM's own for which dask is needed; it cannot be loaded where Python strips docstrings
(-OO, PYTHONOPTIMIZE=2), because it edits them."""


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Packages that are not loaded yet cannot be imported: None in `sys.modules` says so to Python's import system."""
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden(OPTIONAL):
    import lightgbm

__all__ = ["lightgbm"]
