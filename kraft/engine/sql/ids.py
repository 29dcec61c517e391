"""Ids that a user gives in a file: read, checked, each once."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kraft.engine.paths import quoted
from kraft.engine.sql.given import ID, GivenFile
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import Parquet


class GivenIds(NamedTuple):
    """The ids of a file."""

    column: str
    """What the file calls them."""
    ids: NDArray[np.int32]
    """Ascending, each once."""
    repeated: int
    """Rows that were left out because their id had come before."""
    own: NDArray[np.object_] | None
    """The log's own ids, in the order of `ids`; None if these are numbers."""

    def name(self, position: int) -> str:
        """How the file writes an id."""
        return str(self.ids[position] if self.own is None else self.own[position])


def only(numbers: Mapping[str, Path], *columns: str) -> dict[str, Path]:
    """Those of ``numbers`` that belong to ``columns``."""
    return {name: path for name, path in numbers.items() if name in columns}


def read_ids(
    path: Path, column: str, connection: Connection, folder: Path, threads: int, numbers: Mapping[str, Path]
) -> GivenIds:
    """The ids in a CSV or Parquet file.

    Args:
        path: the file.
        column: of the ids, as `kraft.engine.sql.given` finds it.
        connection: reads it.
        folder: gets the copy `given.parquet`, which may be removed afterwards.
        threads: that read.
        numbers: as `GivenFile.numbers`.

    Raises:
        InputError: as `GivenFile.take`.
    """
    given, copy = GivenFile(path, {column: ID}, only(numbers, column)), folder / "given.parquet"
    rows = given.take(connection, copy, threads)
    Parquet(copy).register(connection, "ids")
    ids = connection.view("ids").project(column).distinct().order(column).fetchnumpy()[column]
    own = None
    if given.numbers:
        numbered = f"select id from {quoted(f'numbers of {column}')} order by {column}"  # noqa: S608 - quoted
        own = connection.execute(numbered).fetchnumpy()["id"]
    return GivenIds(given.names()[column], np.ascontiguousarray(ids, dtype=np.int32), rows - len(ids), own)
