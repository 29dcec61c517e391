"""`kraft.stages.ranking`: candidates in blocks of whole users. Lists are tested by the command, for real."""

from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kraft.stages.ranking import user_blocks


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blocks")


@given(sizes=st.lists(st.integers(1, 7), max_size=8), row_group=st.integers(1, 5), rows=st.integers(1, 12))
def test_blocks_hold_whole_users_and_every_row(folder, sizes, row_group, rows):
    users = [user for user, size in enumerate(sizes) for _ in range(size)]
    table = pa.table({"user_id": pa.array(users, pa.int32()), "item_id": pa.array(range(len(users)), pa.int32())})
    pq.write_table(table, folder / "table.parquet", row_group_size=row_group)

    blocks = list(user_blocks(folder / "table.parquet", rows))

    assert [row for block in blocks for row in block.to_pylist()] == table.to_pylist()
    firsts_and_lasts = [(block["user_id"][0].as_py(), block["user_id"][-1].as_py()) for block in blocks]
    assert all(last < first for (_, last), (first, _) in pairwise(firsts_and_lasts))
    # A block is full once it has its rows, or one user more than that; never two users too many.
    largest = max(sizes, default=0)
    assert all(len(block) <= rows + row_group + largest for block in blocks)
