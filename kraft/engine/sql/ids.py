"""Ids that a user gives in a file: read, checked, each once."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def read_ids(path: Path, column: str, connection: Connection, folder: Path, threads: int) -> GivenIds:
    """The ids in a CSV or Parquet file.

    Args:
        path: the file.
        column: of the ids, as `kraft.engine.sql.given` finds it.
        connection: reads it.
        folder: gets the copy `given.parquet`, which may be removed afterwards.
        threads: that read.

    Raises:
        InputError: as `GivenFile.take`.
    """
    given, copy = GivenFile(path, {column: ID}), folder / "given.parquet"
    rows = given.take(connection, copy, threads)
    Parquet(copy).register(connection, "ids")
    ids = connection.view("ids").project(column).distinct().order(column).fetchnumpy()[column]
    return GivenIds(given.names()[column], np.ascontiguousarray(ids, dtype=np.int32), rows - len(ids))
