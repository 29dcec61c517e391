"""Whole tables, compared."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CLOSE = 1e-9


def assert_same_tables(found: Path, expected: Path) -> None:
    """The same columns, types and rows in the same order; floats within `CLOSE` of each other, NULL and NaN alike."""
    found, expected = pq.read_table(found), pq.read_table(expected)
    assert dict(zip(found.column_names, found.schema.types, strict=True)) == dict(
        zip(expected.column_names, expected.schema.types, strict=True)
    )
    assert found.column_names == expected.column_names
    assert len(found) == len(expected)
    for name, kind in zip(expected.column_names, expected.schema.types, strict=True):
        one, other = found[name].combine_chunks(), expected[name].combine_chunks()
        if not pa.types.is_floating(kind):
            assert one.equals(other), name
            continue
        assert one.is_null().equals(other.is_null()), name
        assert np.allclose(one.fill_null(math.nan), other.fill_null(math.nan), CLOSE, CLOSE, equal_nan=True), name
