"""`kraft.engine.sql.session`: what a DuckDB session is allowed, and what it leaves behind."""

import duckdb
import polars as pl
import pytest

from kraft.engine.process.memory import LEAST_LIMIT, Budget
from kraft.engine.sql.session import open_file, open_session, prepare
from kraft.settings import MIB


def setting(connection, name):
    return connection.execute("select current_setting(?)", [name]).fetchone()[0]


def test_limits_are_set_together(tmp_path):
    with open_session(Budget(1024 * MIB), threads=2, spill_parent=tmp_path / "tmp") as connection:
        assert setting(connection, "memory_limit") == "640.0 MiB"
        assert setting(connection, "threads") == 2
        # Freed memory is not kept beside the limit.
        assert setting(connection, "allocator_flush_threshold") == "32MiB"
        assert setting(connection, "allocator_bulk_deallocation_flush_threshold") == "32.0 MiB"
        assert setting(connection, "temp_directory").startswith(str(tmp_path / "tmp" / "spill-"))
        assert setting(connection, "preserve_insertion_order") is False
        assert setting(connection, "autoinstall_known_extensions") is False
        assert setting(connection, "autoload_known_extensions") is False
        assert len(list((tmp_path / "tmp").iterdir())) == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_spill_folder_goes_also_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError, match="division"), open_session(Budget(1024 * MIB), 1, tmp_path):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_two_sessions_spill_apart(tmp_path):
    budget = Budget(1024 * MIB)
    with open_session(budget, 1, tmp_path) as one, open_session(budget, 1, tmp_path) as other:
        assert setting(one, "temp_directory") != setting(other, "temp_directory")


def test_a_select_that_keeps_an_order_runs_as_written(connection):
    prepare(connection, threads=1, kept=True, raw=False)
    assert setting(connection, "threads") == 1
    assert setting(connection, "preserve_insertion_order") is True
    # The left side is far the smaller one: without the setting, DuckDB would build its hash table from it.
    connection.execute("create table few as select 99 - i as id from range(100) as t(i)")
    connection.execute("create table many as select i as id from range(100_000) as t(i)")
    rows = connection.execute("select few.id from few join many on few.id = many.id").fetchall()
    assert rows == [(99 - number,) for number in range(100)]

    prepare(connection, threads=4, kept=False, raw=False)
    assert setting(connection, "threads") == 4
    assert setting(connection, "preserve_insertion_order") is False
    assert setting(connection, "disabled_optimizers") == ""


def test_file_is_a_database(tmp_path):
    with open_file(tmp_path / "a.duckdb") as connection:
        connection.execute("create table t as select 1 as one")
    with open_file(tmp_path / "a.duckdb") as connection:
        assert connection.execute("from t").fetchall() == [(1,)]


# --- what a session may touch -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["log.csv", 'it\'s "a" log; drop.csv', "日志 [1] *.csv"])
def test_session_reads_the_files_that_it_was_given_and_no_other(tmp_path, name):
    (tmp_path / "raw").mkdir()
    given, other = tmp_path / "raw" / name, tmp_path / "raw" / "log1.csv"
    for file in (given, other):
        file.write_text(f"a\n{len(file.name)}\n", encoding="utf-8")
    with open_session(Budget(LEAST_LIMIT), 1, tmp_path / "work" / "tmp", [given]) as connection:
        assert connection.read_csv(str(given)).fetchall() == [(len(name),)]
        with pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
            connection.read_csv(str(other))


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("from read_text('/etc/hostname')", duckdb.PermissionException),
        ("from sniff_csv('/etc/hostname')", duckdb.PermissionException),
        ("from glob('/etc/*')", duckdb.PermissionException),
        ("copy (select 1) to '/tmp/kraft-outside.csv'", duckdb.PermissionException),
        ("attach '/tmp/kraft-outside.duckdb'", duckdb.PermissionException),
        ("install httpfs", duckdb.Error),
        ("load httpfs", duckdb.Error),
        ("from 'https://example.org/a.parquet'", duckdb.Error),
        ("set enable_external_access = true", duckdb.InvalidInputException),
        ("set allowed_directories = ['/']", duckdb.InvalidInputException),
        ("set temp_directory = '/tmp'", duckdb.InvalidInputException),
        ("set lock_configuration = false", duckdb.InvalidInputException),
        ("from _secret", duckdb.CatalogException),
    ],
)
def test_session_cannot_leave_its_work_folder(tmp_path, statement, error):
    _secret = pl.DataFrame({"a": [1]})
    with (
        open_session(Budget(LEAST_LIMIT), 1, tmp_path / "work" / "tmp") as connection,
        pytest.raises(error, match=r"."),
    ):
        connection.execute(statement).fetchall()
