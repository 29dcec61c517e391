"""Kills a worker of a Spark cluster in every stage, and runs the job again: the same tables, as good a ranking.

The undisturbed run is made once a folder.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress

from faults.job import environment, fresh, make_twin

SIZE = 200, 500
CLOSE = 0.01
"""Metrics of two trainings on other numbers of ranks."""
JOBS = {
    "build": ("build_features", (), "interactions_train", ("draft", "fit")),
    "als": ("train", (), "  ALS: ", ("models/als_kraft",)),
    "ranker": ("train", (), "  ranker: ", ("models/ranker_kraft",)),
    "score": ("score", ("--out", "scores.parquet"), "  scoring: ", ("draft/scores_kraft.parquet",)),
    "evaluate": ("evaluate", ("--no-baselines", "--json-out", "evaluation.json"), "  judging: ", ()),
    "candidates": ("recommend", ("--out", "lists.parquet"), "  candidates: ", ()),
    "lists": ("recommend", ("--out", "lists.parquet"), "  lists: ", ()),
}
"""Stage -> the job that runs it, its options, what it says as the stage begins, and what it is to make anew."""
OUTPUTS = ("scores.parquet", "evaluation.json", "lists.parquet")


def options(parser):
    parser.add_argument("--stages", default=",".join(JOBS), help="separated by commas (%(default)s)")
    parser.add_argument("--kills", type=int, default=1, help="in each stage (%(default)s)")


def run(arguments):
    # Needs the extra, which the other commands do without.
    from spark_cluster import Cluster  # noqa: PLC0415

    folder, whole = arguments.folder, arguments.folder / "whole"
    if not (whole / "finished").exists():
        fresh(folder)
    make_twin(folder / "raw", *SIZE, arguments.seed)
    chance = random.Random(arguments.seed)
    broken, killed = [], 0
    with Cluster(folder / "cluster") as cluster:
        if not whole.exists():
            for stage in ("evaluate", "candidates"):
                code, err, _ = _job(folder, stage, cluster, None)
                assert code == 0, err
            (folder / "work" / "finished").write_text(json.dumps(_metrics(folder)))
            (folder / "work").rename(whole)
        expected = json.loads((whole / "finished").read_text())
        for stage in [name for name in arguments.stages.split(",") for _ in range(arguments.kills)]:
            _prepare(folder, whole, stage)
            delay = chance.uniform(0.1, 2)
            code, err, hit = _job(folder, stage, cluster, delay)
            cluster.restore()
            killed += hit
            found = _complaints(folder, stage, code, err)
            again = ""
            if code:
                again = ", a rerun"
                code, err, _ = _job(folder, stage, cluster, None)
                found += [f"{stage}: the rerun ended with {code}: {err.strip()}"] if code else []
            if not found:
                found = _differences(folder, whole, stage, expected, cluster)
            broken += found
            how = "broken" if found else f"the same{again}"
            print(f"  {stage:<10} a worker killed after {delay:.1f} s{'' if hit else ' (too late)'}: {how}", flush=True)
    for line in broken:
        print(f"  BROKEN: {line}")
    verdict = "BROKEN" if broken else "every job ended well, at once or when it was run again"
    print(f"spark  {killed} workers killed in {arguments.stages.count(',') + 1} stages: {verdict}")
    return 1 if broken else 0


def _prepare(folder, whole, stage):
    """A work folder in which everything is done but what the stage makes."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    if stage == "build":
        return
    shutil.copytree(whole, work, symlinks=True)
    for name in JOBS[stage][3]:
        place = work / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()


def _job(folder, stage, cluster, delay):
    """Exit code and stderr of the stage's job, and whether a worker was killed ``delay`` seconds into the stage."""
    job, words, sign, _ = JOBS[stage]
    shared = ("--raw", "raw", "--work", "work", "--engine", "spark", "--master", cluster.master, "--verbose")
    log = folder / "stderr.txt"
    hit = False
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", f"jobs.{job}", *shared, *words],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        while delay is not None and process.poll() is None:
            if sign in log.read_text():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(delay)
                if process.poll() is None:
                    cluster.kill("worker-1")
                    hit = True
                break
            time.sleep(0.02)
        process.wait(600)
    return process.returncode, log.read_text(), hit


def _complaints(folder, stage, code, err):
    """What is wrong with how a job ended whose worker was killed."""
    if code == 0:
        return []
    told = [line for line in err.splitlines() if line.startswith("error: ")]
    found = [] if code == 1 and len(told) == 1 else [f"{stage}: ended with {code}: {err.strip()[-2000:]}"]
    # What it would have made is not there, and nothing half-written is.
    tables = folder / "work" / "tables"
    made = [name for name in JOBS[stage][3] if "/" in name and (folder / "work" / name).exists()]
    made += ["tables"] if stage == "build" and tables.exists() and any(tables.iterdir()) else []
    left = [path.name for path in (folder / "work" / "tmp").iterdir()]
    return found + [f"{stage}: failed, and left {', '.join(made + left)}"] * bool(made + left)


def _differences(folder, whole, stage, expected, cluster):
    """What is not as in an undisturbed run."""
    from same_tables import assert_same_tables  # noqa: PLC0415

    found = []
    work = folder / "work"
    for part in ("tables", "fit/tables"):
        for table in sorted((whole / part).glob("*.parquet")):
            other = work / part / table.name
            if table.name.startswith("scores_") or (stage == "build" and not other.exists()):
                continue
            try:
                assert_same_tables(other, table)
            except (AssertionError, OSError) as error:
                found.append(f"{stage}: {part}/{table.name} is another ({error})")
    code, err, _ = _job(folder, "evaluate", cluster, None)
    if code:
        return [*found, f"{stage}: the metrics ended with {code}: {err.strip()}"]
    metrics = _metrics(folder)
    found += [
        f"{stage}: {name} {metrics[name]} instead of {value}"
        for name, value in expected.items()
        if abs(metrics[name] - value) > CLOSE
    ]
    return found


def _metrics(folder):
    report = json.loads((folder / "evaluation.json").read_text())
    found = report["score_sets"][0]["estimates"]
    return {name: found[name]["value"] for name in ("ndcg@10", "auc")}
