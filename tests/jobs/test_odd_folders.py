"""The jobs in folders whose names would be patterns, beside folders that these would match."""

import json
import shutil

import duckdb
import polars as pl
import pytest
from commands import run

pytestmark = pytest.mark.slow

OPTIONS = ("--preset", "documented", "--rounds", 5, "--iterations", 2, "--quiet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data in `data[1]`, work in `proj [2]?*`; what their patterns match holds other data."""
    folder = tmp_path_factory.mktemp("odd")
    for name, seed in (("data[1]", 1), ("data1", 2)):
        made = run("synthesize", "--users", 60, "--items", 120, "--to", name, "--seed", seed, cwd=folder)
        assert made.returncode == 0, made.stderr
    for name in ("proj [2]?*", "proj 2xy"):
        (folder / name).mkdir()
    return folder


@pytest.fixture(scope="module")
def plain(folder):
    """The scores from the same data in a folder of a plain name."""
    shutil.copytree(folder / "data[1]", folder / "plain")
    done = run("score", "--raw", "plain", "--work", "plain-work", "--out", "plain.csv", *OPTIONS, cwd=folder)
    assert done.returncode == 0, done.stderr
    return pl.read_csv(folder / "plain.csv")


@pytest.fixture(scope="module")
def scored(folder):
    here = folder / "proj [2]?*"
    done = run("score", "--raw", "../data[1]", "--out", "s[1]*.csv.gz", *OPTIONS, cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    # The same job from elsewhere, and what a pattern of its name would match.
    shutil.copytree(here / "work", folder / "proj 2xy" / "work", symlinks=True)
    (here / "s1.csv.gz").write_bytes(b"not a table")
    return here


def test_scores_are_those_of_a_plain_folder(scored, plain):
    assert pl.read_csv(scored / "s[1]*.csv.gz", glob=False).equals(plain)


def test_the_catalog_reads_its_own_tables(scored):
    with duckdb.connect(str(scored / "work" / "kraft.duckdb"), read_only=True) as connection:
        files = connection.sql("select sql from duckdb_views() where view_name = 'interactions'").fetchall()
        assert "proj [[]2][?][*]" in files[0][0]
        rows = connection.sql("select count(*) from interactions").fetchall()
    assert rows == [(pl.read_parquet(scored / "work" / "tables" / "interactions.parquet", glob=False).height,)]


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "--json-out", "m [x].json"),
        ("evaluate", "--compare", "documented", "scores [a-z]?.csv"),
        ("score", "--pairs", "pairs {a,b}*.csv", "--out", "out?.parquet"),
        ("recommend", "--users", "users[0-9].csv", "--items", "items*.parquet", "--out", "lists[*].csv.zst"),
        ("explore", "--out", "page [1]/page?.html"),
    ],
    ids=lambda words: f"{words[0]} {words[1]}",
)
def test_every_job(scored, plain, words):
    plain.write_csv(scored / "scores [a-z]?.csv")
    plain.head(5).select("user_id", "item_id").write_csv(scored / "pairs {a,b}*.csv")
    plain.head(1).select("user_id").write_csv(scored / "users[0-9].csv")
    plain.select("item_id").unique().head(30).write_parquet(scored / "items*.parquet")
    for sibling in ("scores ax.csv", "pairs a-.csv", "users1.csv", "items1.parquet"):
        (scored / sibling).write_text("not a table", encoding="utf-8")
    done = run(*words, "--raw", "../data[1]", *OPTIONS, cwd=scored)
    assert (done.returncode, done.stderr) == (0, "")
    if "documented" in words:
        told = json.loads((scored / "work" / "comparison.json").read_text(encoding="utf-8"))
        assert told["pairs"] == plain.height
    elif "--pairs" in words:
        assert pl.read_parquet(scored / "out?.parquet", glob=False).equals(
            plain.head(5).with_columns(pl.col("user_id", "item_id").cast(pl.Int32))
        )


@pytest.mark.parametrize("work", ["back\\slash", "link"])
def test_a_work_folder_that_cannot_be_opened_is_refused_before_any_work(folder, work):
    (folder / "link").unlink(missing_ok=True)
    (folder / "link").symlink_to("far\\away")
    done = run("score", "--raw", "data[1]", "--work", work, "--out", "x.csv", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --work {work}: a backslash in a path cannot be told to DuckDB")
    assert not (folder / work).exists()


def test_outputs_that_would_destroy_are_refused_before_any_work(folder):
    log = (folder / "data1" / "small_matrix.csv").read_bytes()
    for job in ("score", "recommend"):
        done = run(job, "--raw", "data1", "--work", "untouched", "--out", "data1/small_matrix.csv", cwd=folder)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == "error: --out data1/small_matrix.csv: this is an input (--raw)"
    assert (folder / "data1" / "small_matrix.csv").read_bytes() == log
    assert not (folder / "untouched").exists()
