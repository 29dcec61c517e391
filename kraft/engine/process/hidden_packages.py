"""Installed packages that a process does not load.

pyarrow loads pandas at the first array that becomes NumPy's (55 MiB, 0.3 s). LightGBM loads pandas, scikit-learn and
more for wrappers that KRAFT does not use (100 MiB, 1.4 s). Both do without what they cannot find.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _Finder(PathFinder):
    """Finds what is installed, except for the hidden names."""

    names: frozenset[str] = frozenset()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return None if fullname in cls.names else super().find_spec(fullname, path, target)


def hide(*names: str) -> None:
    """Let imports of ``names`` fail from now on, if they are not loaded yet."""
    _Finder.names |= set(names)
    sys.meta_path = [_Finder if finder is PathFinder else finder for finder in sys.meta_path]


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """`hide` for the time of a block."""
    before = _Finder.names
    hide(*names)
    try:
        yield
    finally:
        _Finder.names = before
