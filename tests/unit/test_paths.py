"""No path is a pattern: files of every odd name are read as themselves, and not what the name would match."""

import re
from pathlib import Path

import polars as pl
import pytest

import kraft
from kraft.engine import frames
from kraft.engine.process.memory import LEAST_LIMIT, Budget
from kraft.engine.sql.ids import read_ids
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import open_session
from kraft.engine.sql.sources import Chunk, Parquet
from kraft.stages.score import export

ODD = {
    "data[1]": "data1",
    "proj [2]?*": "proj 2x-y",
    "a?b": "axb",
    "*": "any",
    "**": "deep/er",
    "[!a]": "b",
    "[a-c]": "b",
    "open[": "open",
    "close]": "close",
    "[[]": "[",
    "user_id=7": "user_id=8",
    "a b'c\"d": "a",
    "100%20#;$x": "100 ",
    "Käse 𝄞": "Kase",
    "-dash": "dash",
    "line\nend": "line",
    "{a,b}": "a",
    "~": "home",
    "back\\slash": "back/slash",
}
"""Name of a folder and of files -> what such a pattern would match, or be taken for, beside it."""


@pytest.fixture(params=ODD, ids=[ascii(name) for name in ODD])
def odd(request, tmp_path, monkeypatch):
    """The path without its ending of `right` files; those that a pattern would find have other rows."""
    monkeypatch.chdir(tmp_path)
    for folder, value in ((request.param, 1), (ODD[request.param], 2)):
        for name in {request.param, ODD[request.param].replace("/", "-"), f"x{request.param}"}:
            place = tmp_path / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            mine = value if name == request.param else 3
            frame = pl.DataFrame({"user_id": [mine, mine], "item_id": [10, 11]})
            frame.write_parquet(f"{place}.parquet")
            frame.write_csv(f"{place}.csv")
    return Path(request.param, request.param)


def with_ending(path, ending):
    return path.with_name(path.name + ending)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_raw_files(odd, kind, tmp_path):
    """As --raw, --pairs, --users, --items, --compare and --matrix read them, where nothing else may be read."""
    for path in (with_ending(odd, f".{kind}"), with_ending(odd, f".{kind}").absolute()):
        file = RawFile(path, {"user_id": "INTEGER", "item_id": "INTEGER"}, key="user_id")
        assert file.header() == ["user_id", "item_id"]
        with open_session(Budget(LEAST_LIMIT), 1, tmp_path / "w" / "tmp", [path]) as connection:
            file.register(connection, "given")
            assert connection.view("given").fetchall() == [(1, 10), (1, 11)]
            assert read_ids(path, "user_id", connection, tmp_path / "w", threads=1, numbers={}).ids.tolist() == [1]


def test_tables(odd, tmp_path):
    """In a work folder of that name."""
    table = with_ending(tmp_path / odd, ".parquet")
    with open_session(Budget(LEAST_LIMIT), 1, table.parent / "tmp") as connection:
        for source in (Parquet(table), Chunk(table, "item_id", 10, 99)):
            source.register(connection, "table")
            assert connection.view("table").fetchall() == [(1, 10), (1, 11)]
        connection.execute("copy (select 5 as x) to $target (format parquet)", {"target": str(table)})
        Parquet(table).register(connection, "table")
        assert connection.view("table").fetchall() == [(5,)]


def test_frames(odd):
    parquet, csv = (with_ending(odd, ending) for ending in (".parquet", ".csv"))
    right = pl.DataFrame({"user_id": [1, 1], "item_id": [10, 11]})
    assert frames.read_parquet(parquet).equals(right)
    assert frames.read_parquet(parquet, columns=["item_id"]).equals(right.select("item_id"))
    assert frames.scan_parquet(parquet).collect().equals(right)
    assert frames.read_csv(csv).equals(right)
    assert frames.scan_csv(csv).collect().equals(right)


def test_outputs(odd, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for ending in (".csv", ".csv.gz", ".csv.zst", ".parquet"):
        place = with_ending(odd, f"-new{ending}")
        export(with_ending(odd, ".parquet"), place)
        read = frames.read_parquet if ending == ".parquet" else frames.read_csv
        assert read(place).equals(pl.DataFrame({"user_id": [1, 1], "item_id": [10, 11]}))
        place.unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_compressed_tables_are_compressed_and_the_same_each_time(tmp_path):
    pl.DataFrame({"user_id": range(1000)}).write_parquet(tmp_path / "table.parquet")
    for ending, magic in ((".csv.gz", b"\x1f\x8b"), (".CSV.ZST", b"\x28\xb5\x2f\xfd")):
        place, again = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
        export(tmp_path / "table.parquet", place)
        export(tmp_path / "table.parquet", again)
        assert place.read_bytes().startswith(magic)
        assert place.read_bytes() == again.read_bytes()


READERS = re.compile(
    r"\bpl\.(read|scan)_\w+\(|\.read_(parquet|csv)\((?!pattern)|duckdb\.connect\(str|read_(parquet|csv)\(\{|\battach '"
)
ALLOWED = {
    "engine/frames.py",
    "engine/paths.py",
    "engine/sql/session.py",
    "engine/sql/raw_file.py",
    "engine/sql/sources.py",
    # The benchmark's opponent reads what the benchmark wrote.
    # The dialect of each file, with its name as a pattern of its own.
    "logs/described/log_files.py",
    "benchmark/pandas_baseline.py",
}


def test_files_are_read_through_the_helpers_alone():
    """What is read in another way would take odd names for patterns again."""
    folder = Path(kraft.__file__).parent
    found = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if READERS.search(line) and not re.search(r"frames\.|session\.read|spark\.read|>>>", line)
    }
    assert found <= ALLOWED
