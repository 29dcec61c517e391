"""SIGINT and SIGTERM in every stage of the whole pipeline, to the job alone and to its group, as a terminal does.

Each time the job has to end within two seconds, with the signal's exit code and one line, and no process may be left.
"""

import random
import shutil
import signal
import time

from faults.job import Job, fresh, make_synthetic

from kraft.stages.build_tables import build_tables
from kraft.stages.evaluate import evaluate_scores
from kraft.stages.fit_als import fit_als
from kraft.stages.fit_watch_times import fit_watch_times
from kraft.stages.rank_lists import rank_lists
from kraft.stages.retrieve_candidates import retrieve_candidates
from kraft.stages.score import score_test_pairs
from kraft.stages.train_ranker import train_ranker

STAGES = tuple(
    stage.name
    for stage in (
        build_tables,
        fit_als,
        fit_watch_times,
        train_ranker,
        score_test_pairs,
        evaluate_scores,
        retrieve_candidates,
        rank_lists,
    )
)
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
MOST_SECONDS = 2.0
SIZE = (200, 500)
LATEST, ATTEMPTS = 1.5, 4
HEAVY = ("--rounds", 400, "--iterations", 60)
"""Settings with which every stage takes a while."""


def options(parser):
    parser.add_argument("--stops", type=int, default=4, help="in each stage (%(default)s)")


def run(arguments):
    folder = fresh(arguments.folder / "job")
    make_synthetic(folder / "raw", *SIZE, arguments.seed)
    chance = random.Random(arguments.seed)
    ways = [(signum, whom) for signum in CODES for whom in ("job", "group")]
    broken, took = [], []
    for stage in STAGES:
        seconds = []
        for number in range(arguments.stops):
            signum, whom = ways[number % len(ways)]
            told = caught(folder, stage, signum, whom, chance)
            if isinstance(told, str):
                broken.append(f"{stage}, {signum.name} to the {whom}: {told}")
            else:
                seconds.append(told)
        took += seconds
        print(f"  {stage:<20} {len(seconds)} stops, at most {max(seconds, default=0):.2f} s", flush=True)
    for line in broken:
        print(f"  BROKEN: {line}")
    verdict = "BROKEN" if broken else "each with its exit code, in one line, no process left"
    print(f"stop  {len(took)} stops in {len(STAGES)} stages, at most {max(took, default=0):.2f} s: {verdict}")
    return 1 if broken else 0


def caught(folder, stage, signum, whom, chance):
    """`stopped`, sooner and from a fresh work folder where the stage had ended before."""
    for attempt in range(ATTEMPTS):
        told = stopped(folder, stage, signum, whom, chance, LATEST / 2**attempt)
        if told is not None:
            return told
        shutil.rmtree(folder / "work")
    return f"it was too short to be met {ATTEMPTS} times"


def stopped(folder, stage, signum, whom, chance, latest=LATEST):
    """Seconds that a job took to stop, at most ``latest`` seconds into ``stage``; or what was wrong; None where
    the stage had ended before.
    """
    job = Job(folder, *HEAVY)
    while job.running and stage not in job.stages().values():
        time.sleep(0.01)
    time.sleep(chance.uniform(0, latest))
    if stage not in job.stages().values():
        job.kill_group()
        job.end()
        return None
    started = time.monotonic()
    if whom == "group":
        job.kill_group(signum)
    else:
        job.process.send_signal(signum)
    code, out, err = job.end()
    seconds = time.monotonic() - started
    orphans = job.orphans(0)
    word = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[signum]
    if (code, out, err) != (CODES[signum], "", f"stopped: {word}; the last complete tables are kept\n"):
        return f"exit {code}, {out!r}, {err!r}"
    if seconds > MOST_SECONDS or orphans:
        return f"{seconds:.2f} s, left {orphans}"
    return seconds
