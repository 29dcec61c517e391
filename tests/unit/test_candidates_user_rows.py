import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kraft.models.candidates.user_rows import UserRows

USERS = [0, 0, 0, 1, 3, 3, 3, 3, 4, 7, 7, 9]


@pytest.fixture(params=[(1, True), (2, True), (5, False), (100, True)])
def table(request, tmp_path):
    """Row groups of 1, 2, 5 or 100 rows, with statistics or without."""
    rows, statistics = request.param
    path = tmp_path / "table.parquet"
    content = {"item_index": range(len(USERS)), "user_index": USERS, "weight": np.arange(len(USERS)) / 2}
    types = {"item_index": pa.int32(), "user_index": pa.int32(), "weight": pa.float64()}
    arrays = [pa.array(list(values), types[name]) for name, values in content.items()]
    pq.write_table(pa.table(arrays, names=list(content)), path, row_group_size=rows, write_statistics=statistics)
    return path


def read(rows, users):
    found, (item, weight) = rows.read(np.array(users, dtype=np.int32))
    assert (weight == item / 2).all()
    assert found.dtype == item.dtype == np.int32
    return [item[found == place].tolist() for place in range(len(users))]


def plainly(users):
    return [[row for row, own in enumerate(USERS) if own == user] for user in users]


@pytest.mark.parametrize("users", [[0], [2], [9], [10], [0, 1, 3], [1, 7], [3, 4, 5, 6, 7, 8, 9, 10], []])
def test_the_rows_of_the_users_that_were_asked_for(table, users):
    with UserRows(table, ("item_index", "weight")) as rows:
        assert read(rows, users) == plainly(users)


def test_unknown_users_have_no_rows_wherever_they_stand(table):
    with UserRows(table, ("item_index", "weight")) as rows:
        assert read(rows, [-1, 0, -1, -1, 7, -1]) == plainly([-1, 0, -1, -1, 7, -1])
        assert read(rows, [-1]) == [[]]


def test_blocks_that_follow_one_another_read_each_row_group_once(table, monkeypatch):
    groups = []
    plain = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda file, group, **more: groups.append(group) or plain(file, group, **more)
    )
    with UserRows(table, ("item_index", "weight")) as rows:
        groups.clear()
        assert [read(rows, users) for users in ([0, 1], [2, 3], [4, 5], [7, 8, 9])] == [
            plainly(users) for users in ([0, 1], [2, 3], [4, 5], [7, 8, 9])
        ]
    assert sorted(set(groups)) == groups


def test_row_groups_of_others_are_passed_over(tmp_path):
    path = tmp_path / "table.parquet"
    table = pa.table({"user_index": pa.array(range(100), pa.int32()), "item_index": pa.array(range(100), pa.int32())})
    pq.write_table(table, path, row_group_size=10)
    with UserRows(path, ("item_index",)) as rows:
        loaded = []
        plain = rows._load  # noqa: SLF001 - which row groups are read is the point
        rows._load = lambda group: loaded.append(group) or plain(group)  # noqa: SLF001
        assert rows.read(np.array([31, 47], dtype=np.int32)).values[0].tolist() == [31, 47]
    assert loaded == [3, 4]


def test_a_table_without_rows_says_nothing(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"user_index": pa.array([], pa.int32()), "weight": pa.array([], pa.float64())}), path)
    with UserRows(path, ("weight",)) as rows:
        users, (weight,) = rows.read(np.array([0, 5], dtype=np.int32))
    assert (len(users), len(weight), weight.dtype) == (0, 0, np.float64)
