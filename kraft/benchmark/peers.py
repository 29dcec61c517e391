"""The documented pipeline, from raw files to metrics: plain pandas, implicit and LightGBM against KRAFT's presets.

The peer is one process (`kraft.benchmark.peer`), as a notebook is. KRAFT's side are the commands that a user types, one
for each part that is told apart, each measured from its start to its end:

    build + ALS        jobs.train --only-als          from raw files to where training can start
    train              jobs.train                     (preset kraft: with the watch time model)
    score + evaluate   jobs.evaluate --no-baselines   with intervals, which the peer does not have

All run by turns. The metrics stand side by side: nobody wins by doing less.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from kraft.benchmark.agreement import Agreement, compare
from kraft.benchmark.outside import module
from kraft.benchmark.preparation import need_pandas
from kraft.benchmark.report import Cell, Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.engine.store import Store
from kraft.settings import MIB, PRESETS

PEER, SEED, KRAFT = SIDES = ("plain pandas", "seed", "kraft")
PREPARE, TRAIN, JUDGE, ALL = PARTS = ("build + ALS", "train", "score + evaluate", "all")
COMMANDS = {
    PREPARE: ("jobs.train", "--only-als"),
    TRAIN: ("jobs.train",),
    JUDGE: ("jobs.evaluate", "--no-baselines"),
}
PARTS_OF_PEER = {"train the ranker": TRAIN, "score": JUDGE, "evaluate": JUDGE}
"""Of its stages; every other one, and starting Python, is for `PREPARE`."""
LEAST_FASTER = {PREPARE: 5.0, JUDGE: 2.0}
LEAST_SMALLER = 7.0
"""Times less memory for `PREPARE`."""
MOST_WORSE = 0.01
"""That the preset seed may lack of a metric: its validation rows are drawn from the same ones in another order."""
SHOWN = {
    "NDCG@10": ("metrics", "ndcg", "10"),
    "NDCG@100": ("metrics", "ndcg", "100"),
    "precision@10": ("metrics", "precision", "10"),
    "recall@100": ("metrics", "recall", "100"),
    "AUC": ("auc", "all", "auc"),
    "AUC warm": ("auc", "warm items", "auc"),
    "AUC cold": ("auc", "cold items", "auc"),
}
"""Metrics and their places in evaluation.json."""
Runs = dict[str, list[dict[str, Any]]]


def run(setup: Setup, repeats: int, rounds: int | None) -> Report:
    """Run each side ``repeats`` times by turns.

    Args:
        setup: data, folder, limit and threads.
        repeats: of each side.
        rounds: of the documented ranker, on both sides, at most; None for its 1,000. The preset kraft has its own.

    Raises:
        InputError: pandas is not installed, or of another version.
        MachineError: a side failed.
    """
    need_pandas()
    most = rounds or PRESETS["seed"].ranker.rounds
    runs: Runs = {side: [] for side in SIDES}
    agreement: Agreement | None = None
    for number in range(repeats):
        folders = {side: setup.fresh(f"peers-{side.split()[0]}") for side in SIDES}
        # Each side takes each place in turn.
        turn = number % len(SIDES)
        for side in (*SIDES[turn:], *SIDES[:turn]):
            if side == PEER:
                found = _peer(setup, folders[side], most)
            else:
                found = _kraft(setup, folders[side], side, most if side == SEED else None)
            runs[side].append(found)
            setup.progress.say(f"  {number + 1}/{repeats} {side:<13} {found[ALL]['seconds']:9.1f} s")
        agreement = agreement or compare(Store(folders[SEED]), folders[PEER], runs[PEER][-1]["answer"])
        for folder in folders.values():
            shutil.rmtree(folder)
    assert agreement is not None  # noqa: S101 - there is at least one turn
    return _report(setup, runs, agreement, {"rounds": most, "raw": str(setup.raw)})


def _peer(setup: Setup, out: Path, rounds: int) -> dict[str, Any]:
    where = ("--raw", setup.raw, "--out", out, "--matrix", setup.matrix)
    command = module("kraft.benchmark.peer", *where, "--threads", setup.threads, "--rounds", rounds)
    measured = setup.measure(command)
    answer = measured.answer()
    stages: dict[str, float] = {"start Python": measured.seconds - sum(answer["stages"].values()), **answer["stages"]}
    seconds = dict.fromkeys((PREPARE, TRAIN, JUDGE), 0.0)
    for stage, took in stages.items():
        seconds[PARTS_OF_PEER.get(stage, PREPARE)] += took
    parts: dict[str, Any] = {part: {"seconds": took} for part, took in seconds.items()}
    # What a process has held at most only ever grows: it is known of the first part and of the whole.
    parts[PREPARE]["peak_mib"] = answer["prepared_peak_bytes"] / MIB
    metrics = {
        name: answer["metrics"][place[1]][place[2]] if place[0] == "metrics" else answer["metrics"]["auc"][place[1]]
        for name, place in SHOWN.items()
    }
    return {**parts, ALL: measured.figures(), "metrics": metrics, "trees": answer["trees"], "answer": answer}


def _kraft(setup: Setup, work: Path, preset: str, rounds: int | None) -> dict[str, Any]:
    options = setup.options(work, preset=preset, rounds=rounds)
    parts: dict[str, Any] = {}
    for part, job in COMMANDS.items():
        measured = setup.measure(module(*job, *options))
        parts[part] = measured.figures()
    parts[ALL] = {
        name: (max if name == "peak_mib" else sum)(parts[part][name] for part in COMMANDS)
        for name in ("seconds", "cpu_seconds", "peak_mib")
    }
    record = json.loads((work / "models" / f"ranker_{preset}" / "ranker.json").read_text(encoding="utf-8"))
    report = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    metrics = {name: report[one][two][three] for name, (one, two, three) in SHOWN.items()}
    return {**parts, "metrics": metrics, "trees": record["best_iteration"]}


def _report(setup: Setup, runs: Runs, agreement: Agreement, facts: dict[str, Any]) -> Report:
    ratios = {side: _ratios(runs, side) for side in (SEED, KRAFT)}
    demands = _demands(setup, runs, ratios, agreement)
    seed, kraft = ratios[SEED], ratios[KRAFT]
    headline = (
        f"peers  {seed[PREPARE]['seconds']:.1f} times faster to where training starts with "
        f"1/{seed[PREPARE]['peak_mib']:.1f} of the memory, {seed[JUDGE]['seconds']:.1f} times to score and evaluate, "
        f"{seed[ALL]['seconds']:.1f} times in all; preset kraft {kraft[ALL]['seconds']:.1f} times in all"
    )
    data = {
        **facts,
        "ratios": ratios,
        "threads": setup.threads,
        "memory_limit": setup.memory_limit,
        "runs": runs,
        "agreement": agreement.as_json(),
    }
    asked = Table("what was asked of the preset seed", ("", "found", "asked", "verdict"), demands)
    met = all(verdict == "met" for *_, verdict in demands)
    return Report("peers", headline, [*_tables(setup, runs, ratios), agreement.table(PEER), asked], data, passed=met)


def _ratios(runs: Runs, side: str) -> dict[str, dict[str, float]]:
    """The peer's figures over those of ``side``, for each part."""
    found: dict[str, dict[str, float]] = {}
    for part in PARTS:
        theirs, ours = ([one[part] for one in runs[each]] for each in (PEER, side))
        names = [name for name in ("seconds", "peak_mib") if name in theirs[0]]
        found[part] = {name: ratio_of(theirs, ours, name) for name in names}
    return found


def _demands(
    setup: Setup, runs: Runs, ratios: dict[str, dict[str, dict[str, float]]], agreement: Agreement
) -> list[tuple[str, str, str, str]]:
    """What the preset seed has to show: found, asked, verdict."""
    seed = ratios[SEED]
    lines = [
        (f"{part}: times faster", f"{seed[part]['seconds']:.1f}", f"at least {least:g}", seed[part]["seconds"] >= least)
        for part, least in LEAST_FASTER.items()
    ]
    smaller = seed[PREPARE]["peak_mib"]
    asked = f"at least {LEAST_SMALLER:g}"
    lines.append((f"{PREPARE}: times less memory", f"{smaller:.1f}", asked, smaller >= LEAST_SMALLER))
    for name in ("NDCG@10", "AUC"):
        theirs, ours = (runs[side][0]["metrics"][name] for side in (PEER, SEED))
        more = f"at least {theirs - MOST_WORSE:.4f}"
        lines.append((f"{name} (the peer's {theirs:.4f})", f"{ours:.4f}", more, ours >= theirs - MOST_WORSE))
    limit = setup.memory_limit / MIB
    for side in (SEED, KRAFT):
        peak = max(one[ALL]["peak_mib"] for one in runs[side])
        lines.append((f"peak of {side} [MiB]", f"{peak:,.0f}", f"at most {limit:,.0f}", peak <= limit))
    differing = sum(not line[-1] for line in agreement.lines)
    lines.append(("tables and factors that differ", str(differing), "0", agreement.agrees))
    return [(what, found, wanted, "met" if holds else "NOT MET") for what, found, wanted, holds in lines]


def _tables(setup: Setup, runs: Runs, ratios: dict[str, dict[str, dict[str, float]]]) -> list[Table]:
    how = f"medians of {len(runs[PEER])} runs by turns, {setup.threads} threads"
    headings = ("", PEER, *(word for side in ratios for word in (side, "ratio")))
    units = {"seconds": "seconds", "peak_mib": "peak memory of the largest process [MiB]"}
    tables = [Table(f"{unit}: {how}", headings, _parts(runs, ratios, name)) for name, unit in units.items()]
    worth = [_worth(runs, name) for name in SHOWN]
    tables.append(Table("what the scores are worth", ("", *SIDES), [*worth, _trees(runs)]))
    stages = [one["answer"]["stages"] for one in runs[PEER]]
    seconds = [(stage, median_of(stages, stage)) for stage in stages[0]]
    return [*tables, Table(f"where the seconds go: {PEER}", ("", "median"), seconds)]


def _parts(runs: Runs, ratios: dict[str, dict[str, dict[str, float]]], name: str) -> list[tuple[Cell, ...]]:
    """A line for each part of which ``name`` is known of every side."""
    lines: list[tuple[Cell, ...]] = []
    for part in PARTS:
        if name in ratios[SEED][part]:
            medians = {side: median_of([one[part] for one in runs[side]], name) for side in SIDES}
            ours = (cell for side, found in ratios.items() for cell in (medians[side], found[part][name]))
            lines.append((part, medians[PEER], *ours))
    return lines


def _worth(runs: Runs, metric: str) -> tuple[Cell, ...]:
    return (metric, *(f"{runs[side][0]['metrics'][metric]:.4f}" for side in SIDES))


def _trees(runs: Runs) -> tuple[Cell, ...]:
    return ("trees", *(runs[side][0]["trees"] for side in SIDES))
