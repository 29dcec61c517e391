"""A handful of what `python -m tests.faults` does at length: kills, stops, full disks, and company, for real."""

import random
import signal
import subprocess
import sys
from functools import partial

import duckdb
import pytest
from faults import kill, space, stop
from faults.job import ROUNDS, Job, environment, hashes, leftovers

from kraft.engine.process.progress import Progress
from kraft.engine.workspace.locks import acquire_lock

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def expected(folder):
    """What undisturbed runs of two data sets make."""
    return [kill.undisturbed(folder, seed) for seed in kill.SEEDS]


def test_killed_anywhere_a_rerun_gives_the_bytes_of_an_undisturbed_run(folder, expected):
    steps = {name: (base, name) for base, name in kill.named_steps(folder / "synthetic-1" / "work")}
    plan = [
        (steps["interactions"], "half-written"),
        (steps["ranker_kraft"], "moved"),
        (steps["scores_kraft"], "entered"),
        (None, "commit"),
    ]
    assert len(steps) > 30
    broken, kills = kill.turn(folder, 0, expected, plan, random.Random(3))
    assert broken == []
    assert len(kills) >= 3


def test_readers_see_one_data_set_while_another_is_built(folder, expected):
    place = folder / "synthetic-1"
    catalog = place / "work" / "kraft.duckdb"

    def seen():
        with duckdb.connect(catalog, read_only=True) as reader:
            tables = ("interactions", "fit.pair_features", "scores_kraft")
            counts = ", ".join(f"(select count(*) from {name})" for name in tables)
            return reader.execute(f"select (select n from split), {counts}").fetchall()[0]

    before = seen()
    (place / "raw").rename(place / "raw-1")
    (place / "raw").symlink_to(folder / "synthetic-2" / "raw")
    job = Job(place, "--rounds", ROUNDS)
    found = [seen()]
    while job.running:
        found.append(seen())
    assert job.end()[0] == 0
    after = seen()
    assert before != after
    assert set(found) <= {before, after}
    assert hashes(place) == expected[1]
    assert leftovers(place) == []


@pytest.mark.parametrize(
    ("stage", "signum", "whom"),
    [
        ("build_tables", signal.SIGTERM, "job"),
        ("train_ranker", signal.SIGINT, "group"),
    ],
)
@pytest.mark.usefixtures("expected")
def test_a_signal_ends_the_job_within_two_seconds_in_one_line(folder, stage, signum, whom):
    place = folder / "stopped"
    if not place.exists():
        place.mkdir()
        (place / "raw").symlink_to(folder / "synthetic-2" / "raw")
    assert isinstance(stop.stopped(place, stage, signum, whom, random.Random(1), latest=0.1), float)


def test_signal_while_the_command_is_still_loading():
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "jobs.score", "--out", "x"],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # The package of the commands is loaded first of all, and by then listens to signals.
        for line in process.stderr:
            if line.endswith("| jobs\n"):
                break
        process.send_signal(signal.SIGINT)
        told = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == 130
    assert told == ["stopped: interrupted; the last complete tables are kept\n"]


def test_files_that_cannot_grow_end_the_job_with_one_error(folder, expected):
    bench = space.Bench(folder, [folder / f"synthetic-{seed}" / "raw" for seed in kill.SEEDS], expected)
    bench.limit(28 * space.KIB)
    assert (bench.broken, bench.errors) == ([], 1)


def test_second_job_does_not_wait_where_it_is_told_not_to(tmp_path):
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "jobs.build_features", "--work", "work", "--no-wait"]
    run = partial(subprocess.run, command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    with acquire_lock(tmp_path / "work", Progress(-1)):
        done = run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path / 'work'} is in use by ")
    assert list((tmp_path / "work" / "tables").iterdir()) == []


@pytest.mark.usefixtures("expected")
def test_tampered_model_is_refused(folder):
    model = folder / "synthetic-2" / "work" / "models" / "ranker_kraft" / "ranker.txt"
    text = model.read_text(encoding="utf-8")
    model.write_text(text.replace("learning_rate: 0.1", "learning_rate: 0.9"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jobs.explain", "--user", "1", "--item", "1", "--raw", "raw", "--rounds", str(ROUNDS)],
        cwd=folder / "synthetic-2",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    model.write_text(text, encoding="utf-8")
    assert "learning_rate: 0.1" in text
    assert done.returncode == 2
    assert "its hash is not the one in the manifest" in done.stderr
