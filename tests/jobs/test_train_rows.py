"""Where the ranker may not learn from all rows: it says how many it took, and knows the base rate all the same."""

import json

import polars as pl
import pytest
from commands import run

pytestmark = [pytest.mark.slow, pytest.mark.long]

OPTIONS = ("--rounds", "20", "--raw", "synthetic", "--threads", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    done = run("synthesize", "--to", "synthetic", "--users", 60, "--items", 300, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("preset", ["kraft", "documented"])
def test_a_sample_of_the_rows_is_told_and_weighed(folder, preset):
    def score(name, *more):
        done = run("score", "--preset", preset, "--out", f"{name}.parquet", *more, *OPTIONS, cwd=folder)
        assert done.returncode == 0, done.stderr
        record = folder / "work" / "models" / f"ranker_{preset}" / "ranker.json"
        return done.stdout, json.loads(record.read_text(encoding="utf-8")), pl.read_parquet(folder / f"{name}.parquet")

    told, whole, scores = score("whole")
    assert "sample  " not in told
    assert whole["sampled_rows"] == whole["label_rows"] > 4_000

    told, part, fewer = score("part", "--train-rows", 3_000)
    assert f"sample  the newest {part['sampled_rows']:,} of {whole['label_rows']:,} rows with a label" in told
    assert part["label_rows"] == whole["label_rows"]
    assert part["sampled_rows"] == pytest.approx(3_000, rel=0.1)
    assert part["train_rows"] + part["validation_rows"] <= part["sampled_rows"]
    # Of the sample half is positive, of the rows a third: without the weights the mean would be 0.12 too high.
    assert fewer["score"].mean() == pytest.approx(scores["score"].mean(), abs=0.05)

    told, again, _ = score("again")
    assert "sample  " not in told
    assert again["sampled_rows"] == whole["sampled_rows"]
    assert (folder / "again.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
