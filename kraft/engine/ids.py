"""Ids that a user gives in a file: read, checked, each once."""

from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from kraft.engine.session import Connection
from kraft.engine.sources import RawFile
from kraft.errors import InputError


class GivenIds(NamedTuple):
    """The ids of a file."""

    column: str
    """What the file calls them."""
    ids: NDArray[np.int32]
    """Ascending, each once."""
    repeated: int
    """Rows that were left out because their id had come before."""


def read_ids(path: Path, names: tuple[str, ...], connection: Connection) -> GivenIds:
    """The ids in a CSV or Parquet file.

    Args:
        path: the file.
        names: what its column of ids may be called: the first of them that is there, counts.
        connection: reads it.

    Raises:
        InputError: the file is unreadable or empty, lacks the column, or an id is missing, negative or no integer.
    """
    header = RawFile(path, {}).header()
    name = next((one for one in names if one in header), names[0])
    file = RawFile(path, {name: "INTEGER"})
    try:
        file.register(connection, "given")
        counted = connection.view("given").aggregate(f"count(*), count({name}), min({name})").fetchall()
        rows, present, least = counted[0]
        if not rows:
            raise InputError(f"{file.path}: it has no rows", f"Give at least one {name}.")
        if present != rows or least < 0:
            raise InputError(
                f"{file.path}, column {name}: ids must be integers from 0 on (least {least}, missing {rows - present})",
                "Correct these rows. Nothing was written.",
            )
        ids = connection.view("given").distinct().order(name).fetchnumpy()[name]
    except duckdb.Error as error:
        raise file.explain(error) or error from error
    return GivenIds(name, np.ascontiguousarray(ids, dtype=np.int32), rows - len(ids))
