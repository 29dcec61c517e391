"""Files that a user hands over (--pairs, --users, --items, --compare), made up and harmed like those of `fuzz`.

Each is read by what the jobs read it with, and some by the jobs themselves, as commands: either the rows are those of a
plain reading, or there is one error of two lines that names the file. No traceback, no row lost, no file half written.
"""

import collections
import math
import subprocess
import sys
import time
from typing import NamedTuple

import polars as pl
from faults import reading
from faults.job import environment, make_synthetic
from faults.making import NASTY, csv_bytes, harmed, harms, limited, one_of
from hypothesis import strategies as st

from kraft.engine.sql.given import ROW_NUMBER, GivenFile
from kraft.engine.sql.ids import read_ids
from kraft.errors import InputError
from kraft.evaluation.baselines import SCORED
from kraft.stages.given_pairs import PAIRS

COLUMNS = {
    "pairs": {"user_id": "int", "item_id": "int", "timestamp": "float"},
    "users": {"user_id": "int"},
    "items": {"item_id": "int"},
    "scores": {"user_id": "int", "item_id": "int", "score": "float"},
}
"""Kind of file -> what is read of it."""
OPTIONAL = {"timestamp"}
ALSO = {"item_id": "video_id"}
VALUES = {"timestamp": [1593878903.438, 0.0, 7.0], "score": [0.25, 1.0, -3.5, 0.0]}
KINDS = st.sampled_from(["pairs", "pairs", "users", "items", "scores"])
COMMANDS = st.sampled_from(["pairs", "pairs", "users", "items"])
USERS, ITEMS = 10, 50
"""Of the synthetic data that the commands run over."""


class Made(NamedTuple):
    kind: str
    csv: bytes | None
    """Its bytes, or else the columns of a Parquet file, and what harms it."""
    plain: dict | None = None
    harm: tuple = ()


@st.composite
def header_of(draw, kind):
    """Columns of a file: those that are read, some of them by their other name, and one that is not read."""
    names = [name for name in COLUMNS[kind] if name not in OPTIONAL or draw(st.booleans())]
    if draw(st.booleans()):
        names = [ALSO.get(name, name) for name in names]
    if draw(st.integers(0, 2)) == 0:
        names.insert(draw(st.integers(0, len(names))), draw(st.sampled_from(["note", "note", names[0], "video_id"])))
    return names


def plain_value(draw, name):
    return draw(st.sampled_from(VALUES[name])) if name in VALUES else draw(st.integers(0, 9))


@st.composite
def csv_made(draw, kinds=KINDS):
    """A CSV file."""
    kind = draw(kinds)
    names = draw(header_of(kind))
    rows = [[str(plain_value(draw, name)) for name in names] for _ in range(draw(st.integers(0, 6)))]
    for row in rows:
        if draw(st.integers(0, 7)) == 0:
            row[draw(st.integers(0, len(row) - 1))] = draw(NASTY | st.text(max_size=5))
    return Made(kind, draw(csv_bytes([names, *rows])))


@st.composite
def parquet_made(draw, kinds=KINDS):
    """A Parquet file, of types that may be other than those asked for."""
    kind = draw(kinds)
    names = draw(header_of(kind))
    n = draw(st.integers(0, 6))
    plain = {name: [plain_value(draw, name) for _ in range(n)] for name in names}
    column = draw(st.sampled_from([*plain, None]))
    if column and n:
        change = {
            "text": str,
            "nasty": lambda _: draw(NASTY),
            "float": lambda value: value + draw(st.sampled_from([0.0, 0.0, 0.5])),
            "null": lambda value: draw(st.sampled_from([value, value, None])),
            "large": lambda value: int(value) + draw(st.sampled_from([0, 0, 2**31, 2**40, -(2**33), -1])),
            "list": lambda value: [value],
            "not finite": lambda value: draw(st.sampled_from([float(value), math.nan, math.inf])),
        }[draw(st.sampled_from(["text", "nasty", "float", "null", "large", "list", "not finite"]))]
        plain[column] = [change(value) for value in plain[column]]
    return Made(kind, None, plain, draw(harms()))


def plain_reading(made, *, strays=False):
    """What the file holds, its rows as tuples; None where it is bad as a whole."""
    columns = COLUMNS[made.kind]
    if made.csv is not None:
        return reading.read_csv(made.csv, columns, reading.is_given, strays=strays, optional=OPTIONAL, also=ALSO)
    names = {name: ALSO.get(name, name) if name not in made.plain else name for name in columns}
    if any(name not in made.plain for column, name in names.items() if column not in OPTIONAL):
        return None
    rows, bad = [], []
    for number in range(len(next(iter(made.plain.values())))):
        values = [made.plain[name][number] if name in made.plain else None for name in names.values()]
        # Other than in CSV, an empty text is a text.
        texts = ["" if one is None else str(one) or " " for one in values]
        typed = reading.typed(dict(zip(columns, texts, strict=True)), columns)
        if typed is not reading.BAD and reading.is_given(typed):
            rows.append((number + 1, typed))
        else:
            bad.append(number + 1)
    return reading.Read(rows, bad, unsure=False)


class HandedBench:
    """One folder and one DuckDB session for all inputs."""

    def __init__(self, folder, connection):
        self.folder, self.connection = folder / "spill", connection
        self.counts = collections.Counter()
        self.worst = 0.0

    def check(self, made):
        """Read a file, and hold what came of it against a plain reading."""
        path, whole = write(made, self.folder)
        started = time.monotonic()
        try:
            with limited():
                found = self._read(made.kind, path)
        except InputError as error:
            found = error
        finally:
            self.worst = max(self.worst, time.monotonic() - started)
        if isinstance(found, InputError):
            told(str(found), path)
        if whole:
            # Whether a quoted field may hold a carriage return, RFC 4180 and DuckDB's reader leave open.
            one_of([plain_reading(made, strays=strays) for strays in (False, True)], lambda right: _hold(found, right))
            self.counts[f"{made.kind}: " + ("refused" if isinstance(found, InputError) else "read whole")] += 1
        else:
            # Nobody can say what it holds.
            self.counts[f"{made.kind}: " + ("refused" if isinstance(found, InputError) else "read as harmed")] += 1

    def _read(self, kind, path):
        """The rows of a file in its order, or its distinct ids and how often one came again."""
        if kind in {"users", "items"}:
            given = read_ids(path, next(iter(COLUMNS[kind])), self.connection, self.folder, 1, {})
            return given.ids.tolist(), given.repeated
        copy, rules = self.folder / "copy.parquet", PAIRS if kind == "pairs" else SCORED
        rows = GivenFile(path, rules).take(self.connection, copy, 1, sort_by=("user_id", "item_id"))
        table = pl.read_parquet(copy)
        assert table.select("user_id", "item_id", ROW_NUMBER).rows() == sorted(
            table.select("user_id", "item_id", ROW_NUMBER).rows()
        )
        table = table.sort(ROW_NUMBER)
        assert table[ROW_NUMBER].to_list() == [*range(1, rows + 1)]
        return table.drop(ROW_NUMBER).rows()


def write(made, folder):
    """The file in ``folder``, and whether nothing harmed it after it was written."""
    path = folder / ("handed.parquet" if made.csv is None else "handed.csv")
    if made.csv is not None:
        path.write_bytes(made.csv)
        return path, True
    pl.DataFrame(made.plain, strict=False).write_parquet(path)
    return path, harmed(path, *made.harm)


def told(text, path):
    """Make sure that an error is a problem and a remedy, of this file."""
    lines = text.rstrip().split("\n       ")
    assert len(lines) == 2, f"not a problem and a remedy: {text}"
    assert lines[0].startswith(str(path)), f"not about the file: {text}"
    assert "quarantine" not in text


def _hold(found, right):
    if isinstance(found, InputError):
        assert right is None or right.bad or right.unsure or not right.rows, f"a good file was refused: {found}"
        return
    assert right is not None, f"a file without its columns was read: {found}"
    assert not right.bad, f"bad lines {right.bad} were read: {found}"
    rows = [tuple(row.values()) for _, row in right.rows]
    if isinstance(found, tuple):
        ids = sorted({one for (one,) in rows})
        assert found == (ids, len(rows) - len(ids))
    else:
        assert found == rows


class Commands:
    """The jobs themselves, over small synthetic data and the models in its work folder."""

    def __init__(self, folder):
        self.folder = folder
        self.counts = collections.Counter()
        self.worst = 0.0
        folder.mkdir()
        make_synthetic(folder / "raw", USERS, ITEMS, 1)
        first = self.run("score", "--out", "all.csv")
        assert first.returncode == 0, first.stderr

    def run(self, job, *arguments):
        usual = ("--raw", "raw", "--work", "work", "--quiet", "--threads", "1", "--rounds", "3")
        return subprocess.run(
            [sys.executable, "-m", f"jobs.{job}", *usual, *arguments],
            cwd=self.folder, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    def check(self, made):
        """Run the job that takes a file: its exit code, its words and what it wrote against a plain reading."""
        path, whole = write(made, self.folder)
        started = time.monotonic()
        out = self.folder / "out.csv"
        out.unlink(missing_ok=True)
        if made.kind == "pairs":
            done = self.run("score", "--pairs", path.name, "--out", out.name)
        else:
            more = ("--cold-users", "popular", "--top", "3", "--include-seen")
            done = self.run("recommend", f"--{made.kind}", path.name, "--out", out.name, *more)
        self.worst = max(self.worst, time.monotonic() - started)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in {0, 2}, done.stderr
        refused = done.returncode == 2
        if refused:
            assert not out.exists(), "an output was written all the same"
            told(done.stderr.removeprefix("error: "), path.name)
        if whole:
            one_of([plain_reading(made, strays=strays) for strays in (False, True)],
                   lambda right: self._hold(made.kind, done, out, right))  # fmt: skip
        self.counts["commands: " + ("refused" if refused else "done")] += 1

    def _hold(self, kind, done, out, right):
        if done.returncode:
            # A video that no file knows is refused for a reason of its own.
            fine = right is None or right.bad or right.unsure or not right.rows or "neither in the log" in done.stderr
            assert fine, f"a good file was refused: {done.stderr}"
            return
        assert right is not None
        assert not right.bad, f"bad lines {right.bad} were read"
        made = pl.read_csv(out)
        if kind == "pairs":
            assert made.select("user_id", "item_id").rows() == [
                (row["user_id"], row["item_id"]) for _, row in right.rows
            ]
            assert made["score"].is_finite().all()
        else:
            column = next(iter(COLUMNS[kind]))
            asked = {row[column] for _, row in right.rows}
            assert set(made[column]) <= asked if kind == "items" else set(made[column]) == asked
