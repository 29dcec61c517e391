"""SIGKILL to a worker of a Spark cluster, with its executor, in the middle of every stage (needs [spark] and Java).

First the commands run undisturbed on a standalone cluster of two workers, one after the other, and the work folder is
kept as each of them left it. Then, for each stage, its command starts from where the one before it ended, and a worker
is killed while a job of Spark's runs in that stage; Spark's own event log says so, and how many tasks were lost. The
command has to go on with the worker that is left, or to end with exit code 1 and one clear error: then readers find
what they found before, and nothing is half-written. The worker is started again, and a rerun has to end well. With
--all no worker is left, and the command cannot but end with an error.

In the end all tables have to be those of the undisturbed run; scores, lists and metrics too, where the models are.
Where factors or ranker are made again they may differ a little, since sums are added up in another order and by other
ranks: what factors predict, by 0.01 of its spread; AUC and NDCG@10 by 0.01.

The undisturbed run is made once a folder and seed, and spark.json keeps what was found of each stage: the stages may be
run one by one.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from faults.job import ROOT, digest, environment, fresh, make_synthetic

from kraft.benchmark.parity import factor_distance
from kraft.benchmark.report import Table

LOGGING = (ROOT / "kraft" / "spark" / "log4j2.properties").as_uri()
SIZE = (200, 500)
"""Of the synthetic data: about 100,000 interactions."""
CLOSE = 0.01
ATTEMPTS = 4
"""Kills that may come too late."""
LONGEST = 240
"""Seconds of a command: some 30 if nobody disturbs it."""
GONE_SECONDS = 10
"""Until nothing that a dead worker or an ended command has started is left."""
COMMANDS = {
    "tables": ("build_features",),
    "factors": ("train", "--only-als"),
    "models": ("train",),
    "scores": ("score", "--out", "out/submission.parquet"),
    "lists": ("recommend", "--out", "out/recommendations.parquet"),
    "metrics": ("evaluate", "--no-baselines", "--json-out", "out/evaluation.json"),
}
"""What the work folder has once it is through -> the command, in the order that they run in."""
OTHERS = "others"
"""What the work folder has before the first of them: the tables of other data."""


class Stage(NamedTuple):
    command: str
    """Of `COMMANDS`."""
    sign: str
    """How the line begins that it tells as it starts."""
    rerun: str
    """The command after it."""
    model: str = ""
    """What it makes, where that is a model."""


STAGES = {
    "tables": Stage("tables", "  interactions ", "tables"),
    "als": Stage("factors", "  ALS: ", "metrics", "als_kraft"),
    "ranker": Stage("models", "  ranker: ", "metrics", "ranker_kraft"),
    "scoring": Stage("scores", "  scoring: ", "scores"),
    "candidates": Stage("lists", "  candidates: ", "lists"),
    "lists": Stage("lists", "  lists: ", "lists"),
    "evaluation": Stage("metrics", "  evaluating: ", "metrics"),
}
OUTPUTS = ("submission.parquet", "recommendations.parquet", "evaluation.json")
METRICS = ("auc", "ndcg@10")
PARTS = ("moment", "outcome", "rerun", "verdict")
"""What is told of a kill."""
ONE, BOTH = "one worker", "both workers"


def options(parser):
    parser.add_argument("--stages", default=",".join(STAGES), help="separated by commas (%(default)s)")
    parser.add_argument("--kills", type=int, default=1, help="in each stage (%(default)s)")
    parser.add_argument("--all", action="store_true", help="kill both workers: the command has to end with an error")


def run(arguments):
    # Needs the extra, which the other commands do without.
    from spark_cluster import Cluster  # noqa: PLC0415

    stages = arguments.stages.split(",")
    if unknown := [name for name in stages if name not in STAGES]:
        print(f"error: --stages {unknown[0]}: not one of {', '.join(STAGES)}", file=sys.stderr)
        return 2
    record = arguments.folder / "spark.json"
    state = json.loads(record.read_text()) if record.exists() else {}
    if state.get("seed") != arguments.seed:
        fresh(arguments.folder)
        state = {"seed": arguments.seed, ONE: {}, BOTH: {}}
    whom = BOTH if arguments.all else ONE
    with Cluster(fresh(arguments.folder / "cluster")) as cluster:
        chance = random.Random(f"{arguments.seed} {arguments.stages}")
        bench = Bench(arguments.folder, cluster, chance, everyone=arguments.all)
        state["undisturbed"] = bench.undisturbed(arguments.seed)
        for name in stages:
            state[whom][name] = [bench.harm(name) for _ in range(arguments.kills)]
            record.write_text(json.dumps(state, indent=2))
    return _tell(whom, {name: state[whom][name] for name in stages})


def _tell(whom, stages):
    headings = ("", "killed", "what happened", "rerun", "verdict")
    lines = [(name, *(one[part] for part in PARTS)) for name, kills in stages.items() for one in kills]
    found = [one for kills in stages.values() for one in kills]
    print(Table(f"{whom} killed in each stage", headings, lines))
    for line in (line for one in found for line in one["broken"]):
        print(f"  BROKEN: {line}")
    verdicts = [one["verdict"] for one in found]
    broken, missed = verdicts.count("BROKEN"), verdicts.count("missed")
    went_on = sum(one["outcome"].startswith("went on") for one in found)
    print(
        f"spark  {whom} killed {len(found) - missed} times in {len(stages)} stages: {went_on} went on, "
        f"{len(found) - missed - went_on} ended with an error; {broken} broken, {missed} missed"
    )
    return 1 if broken or missed else 0


class Bench:
    """A cluster and a folder, in which commands run as a user starts them."""

    def __init__(self, folder, cluster, chance, *, everyone=False):
        self.folder, self.cluster, self.chance, self.everyone = folder, cluster, chance, everyone
        self.work, self.out, self.kept = folder / "work", folder / "out", folder / "kept"
        self.expected = {}

    def undisturbed(self, seed):
        """Run every command once, and keep what each leaves; returns what was found: seconds of each, metrics."""
        done = self.kept / "undisturbed.json"
        make_synthetic(self.folder / "raw", *SIZE, seed)
        make_synthetic(self.folder / "other", *SIZE, seed + 1)
        if not done.exists():
            fresh(self.kept)
            for place in (self.work, self.out):
                shutil.rmtree(place, ignore_errors=True)
            single = [sys.executable, "-m", "jobs.build_features", "--raw", "other", "--work", "work", "--quiet"]
            subprocess.run(single, cwd=self.folder, env=environment(), check=True, stdout=subprocess.DEVNULL)
            self._keep(OTHERS)
            told = {"seconds": {}, "stages": {}}
            for name in COMMANDS:
                command = Command(self, name)
                code, err = command.end()
                assert code == 0, err
                told["seconds"][name] = round(command.seconds, 1)
                told["stages"] |= {
                    stage: round(command.span(asked.sign), 1)
                    for stage, asked in STAGES.items()
                    if asked.command == name
                }
                self._keep(name)
                print(f"  undisturbed: {name:<12} {command.seconds:5.1f} s", flush=True)
            shutil.copytree(self.out, self.kept / "out")
            done.write_text(json.dumps(told | {"metrics": self._metrics()}))
        self.expected = json.loads(done.read_text())
        return self.expected

    def _keep(self, name):
        shutil.copytree(self.work, self.kept / name, symlinks=True)

    def _give(self, name):
        """The work folder as the command before ``name`` left it."""
        before = dict(zip(COMMANDS, (OTHERS, *COMMANDS), strict=False))
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.kept / before[name], self.work, symlinks=True)
        fresh(self.out)

    def harm(self, name):
        """Kill a worker in a stage, then run the command again; returns what is to be told."""
        stage = STAGES[name]
        for attempt in range(ATTEMPTS):
            self._give(stage.command)
            before = self._shown()
            delay = self.chance.uniform(0, self.expected["stages"][name]) / 2**attempt
            command = Command(self, stage.command)
            command.kill_within(stage.sign, delay, self.chance)
            code, err = command.end()
            self.cluster.restore()
            if command.hit:
                return self._checked(name, command, code, err, before)
            print(f"  {name:<12} attempt {attempt + 1}: the kill came too late", flush=True)
        never = {"moment": "-", "outcome": f"too short to be met {ATTEMPTS} times", "rerun": "-", "verdict": "missed"}
        return never | {"broken": []}

    def _checked(self, name, command, code, err, before):
        stage = STAGES[name]
        usual = self.expected["stages"][name]
        broken = command.left()
        if code == 0:
            outcome = f"went on, {command.seconds:.0f} s ({self.expected['seconds'][stage.command]:.0f} s undisturbed)"
            broken += self._differences(name)
        else:
            told = [line for line in err.splitlines() if line.startswith("error: ")]
            outcome = told[0][:160] if told else f"exit {code}"
            broken += self._complaints(name, code, err, before)
        again = Command(self, stage.rerun)
        code, said = again.end()
        broken += [f"the rerun ended with {code}: {said.strip()[-2000:]}"] if code else self._differences(name)
        broken += again.left()
        found = {
            "moment": f"{command.killed - command.began:.1f} of {usual:.1f} s, {command.lost} tasks lost",
            "outcome": outcome,
            "rerun": "failed" if code else f"ended well, {again.seconds:.0f} s",
        }
        if not code and stage.rerun == "metrics":
            found["metrics"] = metrics = self._metrics()
            usual = self.expected["metrics"]
            broken += [
                f"{one} {metrics[one]:.4f} instead of {usual[one]:.4f}"
                for one in METRICS
                if abs(metrics[one] - usual[one]) > CLOSE
            ]
            found["rerun"] = ", ".join(f"{one} {metrics[one]:.4f} ({usual[one]:.4f})" for one in METRICS)
        found["verdict"] = "BROKEN" if broken else "as good" if stage.model else "the same"
        print(f"  {name:<12} {found['moment']}; {outcome}; {found['rerun']}: {found['verdict']}", flush=True)
        # What else was said is worth a look, even where all went well.
        found["noise"] = [line for line in err.splitlines() if not line.startswith((" ", "error: "))][:20]
        return found | {"broken": [f"{name}: {line}" for line in broken]}

    def _complaints(self, name, code, err, before):
        """What is wrong with how a command ended whose worker was killed."""
        told = [line for line in err.splitlines() if line.startswith("error: ")]
        traces = [line for line in err.splitlines() if line.startswith(("Traceback", "\tat ", "spark: "))]
        found = [] if code == 1 and len(told) == 1 and not traces else [f"exit {code}: {err.strip()[-2000:]}"]
        # Tables that a command brings up to date first are shown, all of them, though it fails later.
        shown, whole = self._shown(), self._shown(self.kept / STAGES[name].command)
        if shown != before and (
            name == "tables" or not before.items() <= shown.items() or shown.keys() != whole.keys()
        ):
            found.append("readers find other tables than before")
        model = self.work / "models" / (STAGES[name].model or "none")
        left = [path for path in (model, *self.out.iterdir()) if path.exists()]
        return found + [f"it failed, and left {path}" for path in [*left, *self._drafts()]]

    def _shown(self, work=None):
        """What readers find: tables, as hashes of their bytes."""
        work = work or self.work
        places = (work / "tables", work / "fit" / "tables")
        return {
            str(path.relative_to(work)): digest(path) for place in places for path in sorted(place.glob("*.parquet"))
        }

    def _drafts(self):
        found = [path for tmp in (self.work / "tmp", self.work / "fit" / "tmp") for path in tmp.iterdir()]
        return found + [path for path in self.out.iterdir() if path.name not in OUTPUTS]

    def _differences(self, name):
        """What is not as the undisturbed command left it."""
        from same_tables import assert_same_tables  # noqa: PLC0415 - as the cluster

        found = [f"left over: {path}" for path in self._drafts()]
        stage = STAGES[name]
        for part in ("tables", "fit/tables"):
            for table in sorted((self.kept / stage.command / part).glob("*.parquet")):
                try:
                    assert_same_tables(self.work / part / table.name, table)
                except (AssertionError, OSError) as error:
                    found.append(f"{part}/{table.name} is another one ({error})")
        if name == "als":
            made, usual = (_factors(store / "models" / stage.model) for store in (self.work, self.kept / stage.command))
            distance = factor_distance(made, usual)
            found += [f"the factors predict {distance:.4f} of their spread otherwise"] if distance > CLOSE else []
        for out in (self.out / output for output in OUTPUTS):
            if stage.model or not out.exists():
                continue
            if out.suffix == ".parquet":
                same = digest(out) == digest(self.kept / "out" / out.name)
                found += [] if same else [f"{out.name} has other bytes"]
            elif self._metrics() != self.expected["metrics"]:
                found.append(f"other metrics: {self._metrics()}")
        return found

    def _metrics(self):
        report = json.loads((self.out / "evaluation.json").read_text())
        return {name: one["value"] for name, one in report["score_sets"][0]["estimates"].items()}


def _factors(model):
    return tuple(np.load(model / f"{side}_factors.npy") for side in ("user", "item"))


class Command:
    """A command on the cluster, as it runs: what it says, and what Spark writes of it."""

    def __init__(self, bench, name):
        from spark_cluster import BOUND  # noqa: PLC0415

        self.bench = bench
        self.events = Events(fresh(bench.folder / "events"))
        self.said = bench.folder / "stderr.txt"
        self.began = self.killed = None
        self.lost = 0
        """Tasks that the kill has cost."""
        self.workers = []
        """The first process of each worker that was killed."""
        self._signs = {}
        job, *words = COMMANDS[name]
        shared = ("--raw", "raw", "--work", "work", "--engine", "spark", "--master", bench.cluster.master, "--verbose")
        self._started = time.time()
        with self.said.open("wb") as errors:
            self._process = subprocess.Popen(
                [*BOUND, sys.executable, "-m", f"jobs.{job}", *shared, *words],
                cwd=bench.folder,
                env=environment() | {"PYSPARK_SUBMIT_ARGS": self.events.submit()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def running(self):
        """Whether it runs; meanwhile, notes when the stages begin."""
        told = self.said.read_text(errors="replace")
        for stage in STAGES.values():
            if stage.sign in told:
                self._signs.setdefault(stage.sign, time.time())
        return self._process.poll() is None

    def kill_within(self, sign, delay, chance):
        """Kill a worker that has a task of a job of Spark's, ``delay`` seconds into the stage of ``sign`` or later."""
        while self.running and not self.killed:
            self.began = self._signs.get(sign)
            due = self.began and time.time() >= self.began + delay
            busy = self.bench.cluster.busy() if due and self.events.read().running(time.time()) else []
            if busy:
                self.killed = time.time()
                victims = self.bench.cluster.workers if self.bench.everyone else [chance.choice(busy)]
                self.workers = [self.bench.cluster.kill(name) for name in victims]
            time.sleep(0.005)

    def end(self):
        """Exit code and stderr, once it has ended; 124 where it hangs."""
        while self.running and time.time() < self._started + LONGEST:
            time.sleep(0.02)
        hangs = self._process.poll() is None
        if hangs:
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self.seconds = time.time() - self._started
        self.events.read()
        if self.killed:
            self.lost = self.events.lost(self.killed)
        return 124 if hangs else code, self.said.read_text(errors="replace")

    @property
    def hit(self):
        """Whether a worker was killed, in the stage, and a job of Spark's lost a task by it."""
        if not self.killed:
            return False
        later = [at for at in self._signs.values() if at > self.began]
        in_stage = self.killed <= min(later, default=self.killed)
        return in_stage and self.lost > 0

    def span(self, sign):
        """Seconds from the begin of a stage to the end of its last job of Spark's."""
        began = self._signs[sign]
        end = min((at for at in self._signs.values() if at > began), default=time.time())
        return max((last for _, last in self.events.jobs.values() if began <= last <= end), default=began) - began

    def left(self):
        """Complaints of processes that outlived the command, or the worker that was killed."""
        from spark_cluster import session  # noqa: PLC0415

        found, deadline = [], time.time() + GONE_SECONDS
        for leader in (self._process.pid, *self.workers):
            while (left := session(leader)) and time.time() < deadline:
                time.sleep(0.1)
            what = "their worker" if leader in self.workers else "the command"
            found += [f"processes that outlived {what}: {left}"] if left else []
        return found


class Events:
    """Spark's event log of one application: when its jobs run, and which tasks end badly."""

    def __init__(self, folder):
        self.folder = folder
        self.jobs = {}
        """Number -> begin and end, in seconds; the end is infinite while it runs."""
        self._failed = []
        self._read = 0

    def submit(self):
        """How Spark is asked for it, beside what the cluster's tests ask for."""
        from spark_cluster import SUBMIT  # noqa: PLC0415

        chosen = {"enabled": "true", "dir": self.folder.as_uri(), "compress": "false", "rolling.enabled": "false"}
        # Options of the driver's Java take the place of KRAFT's, of which this one says what a user is told.
        options = "--driver-java-options '"
        told = SUBMIT.replace(options, f"{options}-Dlog4j2.configurationFile={LOGGING} ")
        return " ".join(
            [told, *(f"--conf spark.eventLog.{name}={one}" for name, one in chosen.items()), "pyspark-shell"]
        )

    def running(self, at):
        """Whether a job runs at a time."""
        return any(begin <= at <= end for begin, end in self.jobs.values())

    def lost(self, since):
        """Tasks that ended from then on, but not well."""
        return sum(at >= since for at in self._failed)

    def read(self):
        """Take in what has come since it was read last."""
        # It gets another name at its end.
        with suppress(FileNotFoundError):
            for path in self.folder.glob("app-*"):
                with path.open("rb") as file:
                    file.seek(self._read)
                    for line in file:
                        if line.endswith(b"\n"):
                            self._read += len(line)
                            self._take(line)
        return self

    def _take(self, line):
        if b'"SparkListenerJobStart"' in line[:60]:
            told = json.loads(line)
            self.jobs[told["Job ID"]] = (told["Submission Time"] / 1000, float("inf"))
        elif b'"SparkListenerJobEnd"' in line[:60]:
            told = json.loads(line)
            self.jobs[told["Job ID"]] = (self.jobs[told["Job ID"]][0], told["Completion Time"] / 1000)
        elif b'"SparkListenerTaskEnd"' in line[:60]:
            told = json.loads(line)
            if told["Task End Reason"]["Reason"] != "Success":
                self._failed.append(told["Task Info"]["Finish Time"] / 1000)
