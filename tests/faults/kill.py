"""SIGKILL at every named step and at random moments of the whole pipeline.

Two data sets take turns in one work folder, so that what is there is always another's. Each start goes on from where
the one before was killed; where all steps are through, the tables, models and outputs have to be the bytes of an
undisturbed run of the same data, with nothing left over. After every kill, readers have to find the tables of one data
set only. The whole group, the job alone and a stage alone are killed by turns; a job must not leave stages behind, and
must say in one line that its stage was killed.
"""

import json
import os
import random
import shutil
import signal
import time
from contextlib import suppress

from faults.job import OUTPUTS, ROUNDS, Job, fresh, hashes, leftovers, make_synthetic

SEEDS = (1, 2)
SIZE = (40, 60)
KINDS = ("half-written", "moved", "entered")
"""When a table or model is killed at: its file is being written, is in its place, stands in the manifest."""
VICTIMS = ("group", "group", "job", "stage")


def options(parser):
    parser.add_argument("--kills", type=int, default=200, help="in all (%(default)s)")
    parser.add_argument("--minutes", type=float, help="stop after so long; the same command goes on from there")


def run(arguments):
    folder = arguments.folder
    record = folder / "kills.json"
    state = json.loads(record.read_text()) if record.exists() else {}
    if state.get("asked") != [arguments.kills, arguments.seed] or state["done"] >= arguments.kills:
        state = {
            "asked": [arguments.kills, arguments.seed],
            "done": 0,
            "turn": 0,
            "by": {},
            "broken": [],
            "seconds": 0.0,
        }
        fresh(folder)
    started = time.monotonic()
    expected = [undisturbed(folder, seed) for seed in SEEDS]
    steps = named_steps(folder / f"synthetic-{SEEDS[0]}" / "work")
    chance = random.Random(f"{arguments.seed}-{state['turn']}")
    while state["done"] < arguments.kills and not state["broken"]:
        if arguments.minutes and time.monotonic() - started > 60 * arguments.minutes:
            break
        left = arguments.kills - state["done"]
        broken, kills = turn(folder, state["turn"], expected, _plan(steps, state["turn"], chance, left), chance)
        for victim, kind in kills:
            name = f"{victim}, {kind}"
            state["by"][name] = state["by"].get(name, 0) + 1
        state |= {"done": state["done"] + len(kills), "turn": state["turn"] + 1, "broken": broken}
        print(f"  turn {state['turn']}: {state['done']} kills, {'broken' if broken else 'the same bytes'}", flush=True)
        record.write_text(json.dumps(state | {"seconds": state["seconds"] + time.monotonic() - started}))
    for name, count in sorted(state["by"].items()):
        print(f"  {count:4} kills of the {name}")
    for line in state["broken"]:
        print(f"  BROKEN: {line}")
    files = len(expected[0])
    verdict = (
        "BROKEN" if state["broken"] else f"every rerun gave the {files} files of an undisturbed run, nothing left over"
    )
    print(
        f"kill  {state['done']} of {arguments.kills} kills over {len(steps)} steps, {state['turn']} reruns: {verdict}"
    )
    return 1 if state["broken"] else 0


def undisturbed(folder, seed):
    """Hashes of what one run makes of the synthetic data ``seed``."""
    place = folder / f"synthetic-{seed}"
    make_synthetic(place / "raw", *SIZE, seed)
    if not (place / "out" / OUTPUTS[-1]).exists():
        code, _, err = Job(place, "--rounds", ROUNDS).end()
        assert code == 0, err
    return hashes(place)


def named_steps(work):
    """Paths below a folder that a run brings about, in that order."""
    found = [("work", name) for name in json.loads((work / "manifest.json").read_text())["entries"]]
    found += [("work/fit", name) for name in json.loads((work / "fit" / "manifest.json").read_text())["entries"]]

    def made(step):
        base, name = step
        path = _place(work.parent / base, name)
        return path.stat().st_mtime_ns

    return sorted(found, key=made)


def _place(store, name):
    model = store / "models" / name
    return model if model.is_dir() else store / "draft" / f"{name}.parquet"


def _plan(steps, turn, chance, left):
    """(step or None, kind) of the kills of one turn: every fourth step in another way each time, and random ones."""
    chosen = [(step, KINDS[(turn + place) % len(KINDS)]) for place, step in enumerate(steps) if (place + turn) % 4 == 0]
    chosen += [(None, "random")] * 4 + [(None, "commit"), (None, "out")]
    chance.shuffle(chosen)
    order = {step: place for place, step in enumerate(steps)}
    # Steps in the order that they come in: each start goes on from the last.
    at = sorted((one for one in chosen if one[0]), key=lambda one: order[one[0]])
    for one in chosen:
        if one[1] == "random":
            at.insert(chance.randrange(len(at) + 1), one)
    return (at + [one for one in chosen if one[1] in {"commit", "out"}])[:left]


def turn(folder, number, expected, plan, chance):
    """Carry a plan out, then run to the end. Returns what was broken, and the kills: (victim, kind)."""
    place, seed = folder / "victim", SEEDS[number % len(SEEDS)]
    place.mkdir(exist_ok=True)
    shutil.rmtree(place / "raw", ignore_errors=True)
    shutil.copytree(folder / f"synthetic-{seed}" / "raw", place / "raw")
    shutil.rmtree(place / "out", ignore_errors=True)
    broken, kills = [], []
    for step, kind in plan:
        victim = chance.choice(VICTIMS)
        job = Job(place, "--rounds", ROUNDS)
        wait = _moment(place, step, kind, chance)
        while job.running and not wait():
            time.sleep(0.0005)
        if not job.running:
            code, _, err = job.end()
            if code:
                broken.append(f"a rerun before {step or kind} ended with {code}: {err.strip()}")
                break
            continue
        broken += _kill(job, victim, kind, kills)
        broken += _mixture(place, expected)
        if broken:
            break
    if not broken:
        code, _, err = Job(place, "--rounds", ROUNDS).end()
        if code:
            broken.append(f"the last rerun ended with {code}: {err.strip()}")
        else:
            found, right = hashes(place), expected[number % len(SEEDS)]
            broken += [
                f"other bytes: {name}"
                for name in sorted(found.keys() | right.keys())
                if found.get(name) != right.get(name)
            ]
            broken += [f"left over: {name}" for name in leftovers(place)]
    return broken, kills


def _kill(job, victim, kind, kills):
    stages = list(job.stages())
    if victim == "stage" and stages:
        with suppress(ProcessLookupError):
            os.kill(stages[0], signal.SIGKILL)
        code, _, err = job.end()
        if code == 0:
            # It had done its work.
            return []
        kills.append((victim, kind))
        lines = err.strip().splitlines()
        said = code == 1 and len(lines) == 2 and "was killed by SIGKILL" in lines[0]
        return [] if said else [f"a killed stage: exit {code}, {err.strip()!r}"]
    if victim == "job":
        job.process.kill()
        job.process.wait()
        orphans = job.orphans(2)
        job.kill_group()
        job.end()
        kills.append((victim, kind))
        return [f"stages that outlived their job: {orphans}"] if orphans else []
    job.kill_group()
    job.end()
    kills.append(("group", kind))
    return []


def _moment(place, step, kind, chance):
    """A function that says when to kill."""
    if kind == "random":
        at = time.monotonic() + chance.uniform(0, 8)
        return lambda: time.monotonic() >= at
    if kind == "commit":
        states = place / "work" / "states"
        before = {path.name for path in states.iterdir()} if states.is_dir() else set()
        return lambda: (
            states.is_dir() and any(path.name not in before for path in states.iterdir() if path.name != "000000")
        )
    if kind == "out":
        return lambda: any((place / "out").iterdir())
    base, name = step
    store = place / base
    target, manifest = store / "draft" / f"{name}.parquet", store / "manifest.json"
    model = store / "models" / name
    before = [_inode(path) for path in (target, model, manifest)]
    moved = lambda: [_inode(path) for path in (target, model)] != before[:2]  # noqa: E731
    if kind == "moved":
        return moved
    if kind == "entered":
        seen = []

        def entered():
            if not seen and moved():
                seen.append(_inode(manifest))
            return seen and _inode(manifest) != seen[0]

        return entered
    names = {name, name.rpartition("_")[0]}
    return lambda: moved() or _being_written(store / "tmp", names)


def _being_written(scratch, names):
    """Whether a job has a file of one of these names in its folder, which may vanish while it is looked into."""
    with suppress(FileNotFoundError):
        return any(path.name.removesuffix(".parquet") in names for path in scratch.glob("job-*/*"))
    return False


def _inode(path):
    with suppress(FileNotFoundError):
        return path.stat().st_ino
    return 0


def _mixture(place, expected):
    """What readers find has to be of one data set."""
    found = {name: digest for name, digest in hashes(place).items() if "tables" in name}
    of_one = [sum(right.get(name) != digest for name, digest in found.items()) for right in expected]
    return [] if min(of_one) == 0 else [f"readers find a mixture: {of_one} of {len(found)} tables are others'"]
