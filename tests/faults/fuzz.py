"""Made-up and mutated files: each gives the rows that a plain reading finds, or one clear error.

Hypothesis makes CSV and Parquet files that are nearly right, and harms their bytes. Every file is built twice, with bad
rows as errors and with bad rows quarantined. No exception but an InputError may escape, none may take longer than ten
seconds of the processor, and rows in = rows out + rows quarantined, line by line, value by value. Of the files that
options name (--pairs, --users, --items, --compare) no row is quarantined: `handed` reads each, and gives some to the
jobs as commands.
"""

import collections
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import polars as pl
from faults import reading
from faults.handed import COMMANDS, Commands, HandedBench, csv_made, parquet_made
from faults.making import NASTY, csv_bytes, drive, harmed, harms, limited, one_of
from hypothesis import Phase
from hypothesis import strategies as st

from kraft.engine.process.memory import LEAST_LIMIT, Budget
from kraft.engine.process.progress import Progress
from kraft.engine.quarantine.rejected_rows import Quarantine
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import open_session
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.logs.contracts import CATEGORIES, INTERACTION_COLUMNS

TABLES = {"log": ("interactions", "raw_interactions"), "videos": ("video_metadata", "raw_item_categories")}
"""Kind of file -> the table that is made of it, and its logical name."""
LEAST_ROWS = {"log": 5, "videos": 0}
"""Fewer good rows are refused."""


@st.composite
def log_row(draw, number):
    play, length = draw(st.sampled_from([0, 1, 5000, 12000])), draw(st.sampled_from([1, 9000, 10000]))
    moment = draw(st.sampled_from(["", "1593878903.438", "1593878904", "0"]))
    ratio = draw(st.sampled_from([repr(play / length), f"{play / length:.2f}"]))
    row = [
        str(draw(st.sampled_from([number, number, 0]))),
        str(draw(st.integers(0, 9))),
        str(play),
        str(length),
        "",
        "20200705.0",
        moment,
        ratio,
    ]
    if draw(st.integers(0, 11)) == 0:
        row[draw(st.integers(0, 7))] = draw(NASTY | st.text(max_size=5))
    return row


@st.composite
def video_row(draw):
    row = [str(draw(st.integers(0, 30))), draw(st.sampled_from(["[8]", "[27, 9]", "[]", "", "[1, 2, 3]", "8", "[x]"]))]
    if draw(st.integers(0, 5)) == 0:
        row[draw(st.integers(0, 1))] = draw(NASTY | st.text(max_size=5))
    return row


HEADERS = {"log": [*INTERACTION_COLUMNS], "videos": ["video_id", "feat"]}
HEADERS["log"].insert(4, "time")


@st.composite
def csv_file(draw):
    """(kind, bytes) of a CSV file."""
    kind = draw(st.sampled_from(["log", "log", "videos"]))
    # A log has to have five rows that differ.
    least = draw(st.sampled_from([0, 6, 6, 6]))
    rows = [draw(log_row(number) if kind == "log" else video_row()) for number in range(draw(st.integers(least, 9)))]
    return kind, draw(csv_bytes([HEADERS[kind], *rows]))


@st.composite
def parquet_file(draw):
    """(columns of values, places to harm): a log as Parquet, of types that may be other than those asked for."""
    n = draw(st.integers(draw(st.sampled_from([0, 6, 6])), 9))
    # Each as the text that a CSV file would have.
    plain = {
        "user_id": [draw(st.sampled_from([number, number, number, 0, -1])) for number in range(n)],
        "video_id": [draw(st.integers(0, 9)) for _ in range(n)],
        "play_duration": [draw(st.sampled_from([0, 5000])) for _ in range(n)],
        "video_duration": [draw(st.sampled_from([10000] * 9 + [0])) for _ in range(n)],
        "date": [draw(st.sampled_from([20200705, None])) for _ in range(n)],
        "timestamp": [draw(st.sampled_from([1593878903.438] * 6 + [None, -1.0, float("nan")])) for _ in range(n)],
    }
    plain["watch_ratio"] = [play / 10000 for play in plain["play_duration"]]
    column = draw(st.sampled_from([*plain, None, None]))
    if column and n:
        kind = draw(st.sampled_from(["text", "nasty", "float", "null"]))
        change = {
            "text": lambda value: None if value is None else str(value),
            "nasty": lambda _: draw(NASTY),
            "float": lambda value: None if value is None else value + draw(st.sampled_from([0.0, 0.0, 0.5])),
            "null": lambda _: None,
        }[kind]
        plain[column] = [change(value) for value in plain[column]]
    return plain, draw(harms())


class Bench:
    """One folder and one DuckDB session for all inputs."""

    def __init__(self, folder, connection):
        self.folder, self.connection = folder, connection
        self.counts = collections.Counter()
        self.worst = 0.0

    def build(self, kind, path):
        """What comes of a file: first with bad rows as errors, then, where that fails, with bad rows quarantined.

        Returns twice either the rows and the lines quarantined, or the InputError.
        """
        table, source = TABLES[kind]
        columns = INTERACTION_COLUMNS if kind == "log" else dict(CATEGORIES.columns)
        optional = frozenset({"date"} if kind == "log" else ())
        sources = {source: RawFile(path, columns, optional, key=next(iter(columns)), once=kind == "videos")}
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        store, values, refused = Store(work), {"positive_threshold": 1.0, "max_bad_rows": 1.0}, []
        started = time.monotonic()
        try:
            with limited():
                sources[source].check_header()
                rejects = Quarantine(store, self.connection, sources, values)

                def quarantine(name):
                    refused.append(sys.exception())
                    return rejects.quarantine(name)

                builder = Builder(self.connection, store, sources, values, Progress(-1), quarantine=quarantine)
                made = self.connection.read_parquet(str(builder.ensure(table)))
                rows = [dict(zip(made.columns, row, strict=True)) for row in made.fetchall()]
                bad = []
                if rejects.publish():
                    rejected = self.connection.read_parquet(str(store.table("rejected_rows")))
                    bad = sorted(line for (line,) in rejected.project("line").fetchall())
                found = rows, bad
        except InputError as error:
            found = error
            refused.append(error)
        finally:
            self.worst = max(self.worst, time.monotonic() - started)
        left = [str(one) for one in store.tmp.iterdir()]
        assert not left, f"left over: {left}"
        for error in refused:
            assert isinstance(error, InputError)
            assert len(str(error).split("\n       ")) == 2, f"not a problem and a remedy: {error}"
        return (refused[0] if refused else found), found

    def check_csv(self, kind, content):
        path = self.folder / "file.csv"
        path.write_bytes(content)
        columns = reading.LOG if kind == "log" else reading.VIDEOS
        # Whether a quoted field may hold a carriage return, RFC 4180 and DuckDB's reader leave open: either will do.
        accepted = (reading.is_interaction, reading.is_interaction)
        accepted = accepted if kind == "log" else (reading.videos_once(), reading.videos_once())
        readings = [reading.read_csv(content, columns, accept, strays=strays) for strays, accept in enumerate(accepted)]
        self._hold(kind, path, *readings)

    def check_parquet(self, plain, harm):
        path = self.folder / "file.parquet"
        pl.DataFrame(plain, strict=False).write_parquet(path)
        whole = harmed(path, *harm)
        if whole:
            self._hold("log", path, _read_parquet(pl.DataFrame(plain, strict=False)))
        else:
            # Nobody can say what it holds: no traceback, no hang, and no row may be lost.
            _, found = self.build("log", path)
            self.counts["refused" if isinstance(found, InputError) else "read as harmed"] += 1
            if not isinstance(found, InputError):
                rows, bad = found
                ((said,),) = duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall()
                assert sum(row["copies"] for row in rows) + len(bad) == said

    def _hold(self, kind, path, *readings):
        """Both outcomes have to be those of one of the ``readings`` each."""
        found, quarantined = self.build(kind, path)
        one_of(readings, lambda expected: _hold_whole(kind, found, expected))
        self.counts[one_of(readings, lambda expected: _hold_quarantined(kind, quarantined, expected))] += 1


def _hold_whole(kind, found, expected):
    if expected is None:
        assert isinstance(found, InputError), f"a file without a header was read: {found}"
        return
    right = _bag(kind, [values for _, values in expected.rows])
    if isinstance(found, InputError):
        fine = expected.bad or expected.unsure or len(right) < LEAST_ROWS[kind]
        assert fine, f"a good file was refused: {found}"
    else:
        assert not expected.bad, f"bad lines {expected.bad} were read: {found}"
        assert _bag(kind, found[0]) == right


def _hold_quarantined(kind, quarantined, expected):
    if expected is None:
        assert isinstance(quarantined, InputError)
        return "refused as a whole"
    right = _bag(kind, [values for _, values in expected.rows])
    if isinstance(quarantined, InputError):
        assert expected.unsure or len(right) < LEAST_ROWS[kind], f"nothing was quarantined: {quarantined}"
        return "refused as a whole"
    rows, bad = quarantined
    assert bad == expected.bad, f"quarantined {bad}, not {expected.bad}"
    assert _bag(kind, rows) == right
    return "rows quarantined" if bad else "read whole"


def _read_parquet(frame):
    rows, bad = [], []
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        texts = {name: "" if value is None else str(value) for name, value in row.items()}
        values = reading.typed(texts, reading.LOG)
        if values is not reading.BAD and reading.is_interaction(values):
            rows.append((number, values))
        else:
            bad.append(number)
    return reading.Read(rows, bad, unsure=False)


def _bag(kind, rows):
    """Rows as a multiset."""
    bag = collections.Counter()
    for row in rows:
        if kind == "log":
            key = (row.get("item_id", row.get("video_id")), *(row[name] for name in reading.LOG if name != "video_id"))
            bag[key] += row.get("copies", 1)
        else:
            feat = row["feat"]
            listed = [int(one) for one in re.findall("[0-9]+", feat)] if isinstance(feat, str) else feat
            bag[row.get("item_id", row.get("video_id")), None if listed is None else tuple(listed)] += 1
    return bag


def session(folder):
    """A session that may read what is in ``folder``."""
    return open_session(Budget(LEAST_LIMIT), 1, folder / "spill")


def options(parser):
    parser.add_argument("--inputs", type=int, default=10_000, help="raw files, four of five CSV (%(default)s)")
    parser.add_argument("--given", type=int, help="files that options name, four of five CSV (as many as --inputs)")
    parser.add_argument("--commands", type=int, default=20, help="more of these, given to real commands (%(default)s)")


def run(arguments):
    given = arguments.inputs if arguments.given is None else arguments.given
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch, session(Path(scratch)) as connection:
        bench, handed = Bench(Path(scratch), connection), HandedBench(Path(scratch), connection)
        commands = Commands(Path(scratch) / "commands") if arguments.commands else None
        broken = [
            _tell("raw files", bench, ((0.8, csv_inputs), (0.2, parquet_inputs)), arguments.inputs, arguments.seed),
            _tell("given files", handed, ((0.8, given_csv), (0.2, given_parquet)), given, arguments.seed),
        ]
        if commands:
            parts = ((0.7, commanded_csv), (0.3, commanded_parquet))
            broken.append(_tell("commands", commands, parts, arguments.commands, arguments.seed))
    return int(any(broken))


def _tell(what, bench, parts, inputs, number):
    """Hold a number of ``inputs`` shared out among ``parts``, and say what came of it; whether anything is broken."""
    started, broken = time.monotonic(), []
    for share, test in parts:
        count = round(inputs * share)
        try:
            if count:
                test(bench, count, number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            for one in error.exceptions if isinstance(error, ExceptionGroup) else (error,):
                broken.append(f"{type(one).__name__}: {one}".replace("\n", " ")[:400])
                broken += [f"  {note}" for note in getattr(one, "__notes__", [])]
    for outcome, count in bench.counts.most_common():
        print(f"  {count:7,} {outcome}")
    for line in broken:
        print(f"  BROKEN: {line}")
    verdict = "BROKEN" if broken else "no traceback, no hang, no row lost"
    seconds = time.monotonic() - started
    total = sum(bench.counts.values())
    print(f"fuzz  {what}: {total:,} inputs in {seconds:.0f} s, the slowest {bench.worst:.2f} s: {verdict}", flush=True)
    return bool(broken)


def csv_inputs(bench, count, number):
    """Hold ``count`` CSV files."""
    drive(lambda made: bench.check_csv(*made), csv_file(), count, number)


def parquet_inputs(bench, count, number):
    """Hold ``count`` Parquet files."""
    drive(lambda made: bench.check_parquet(*made), parquet_file(), count, number)


def given_csv(handed, count, number):
    """Hold ``count`` CSV files that a user hands over."""
    drive(handed.check, csv_made(), count, number)


def given_parquet(handed, count, number):
    """Hold ``count`` Parquet files that a user hands over."""
    drive(handed.check, parquet_made(), count, number)


def commanded_csv(commands, count, number):
    """Give ``count`` CSV files to commands."""
    drive(commands.check, csv_made(COMMANDS), count, number, [Phase.generate])


def commanded_parquet(commands, count, number):
    """Give ``count`` Parquet files to commands."""
    drive(commands.check, parquet_made(COMMANDS), count, number, [Phase.generate])
