"""How does KRAFT compare with the documented pipeline in pandas, implicit and LightGBM, with the same results?

The baseline is one process (`kraft.benchmark.pandas_baseline`), as a notebook is. KRAFT's side are the commands that a
user types, one for each part, each measured from its start to its end:

    build + ALS        jobs.train --only-als          from raw files to where training can start
    train              jobs.train                     (preset kraft: with the watch time model)
    score + evaluate   jobs.evaluate --no-baselines   with intervals, which the baseline does not have

`preparation` compares the first part alone, of the preset documented. There the baseline ends with the features in
memory, KRAFT with them on disk, from where it reads them while it bins the rows.
"""

import json
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from kraft.benchmark.measure_process import Measured
from kraft.benchmark.parity import compare
from kraft.benchmark.report import Cell, Check, Report, Runs, Table, at_least, at_most, median_of, most_of, ratio_of
from kraft.benchmark.runner import command_of
from kraft.benchmark.setup import Setup, ranker_record
from kraft.engine.extras import need_extra
from kraft.engine.workspace.store import Store
from kraft.settings import MIB
from kraft.stages.preset import PRESETS

PANDAS, DOCUMENTED, KRAFT = SIDES = ("plain pandas", "documented", "kraft")
PREPARE, TRAIN, EVALUATE, ALL = PARTS = ("build + ALS", "train", "score + evaluate", "all")
COMMANDS = {
    PREPARE: ("jobs.train", "--only-als"),
    TRAIN: ("jobs.train",),
    EVALUATE: ("jobs.evaluate", "--no-baselines"),
}
PARTS_OF_BASELINE = {"train the ranker": TRAIN, "score": EVALUATE, "evaluate": EVALUATE}
"""Of its stages; every other one, and starting Python, is for `PREPARE`."""
LEAST_FASTER = {PREPARE: 5.0, EVALUATE: 2.0}
LEAST_SMALLER = 7.0
"""Times less memory for `PREPARE`."""
MOST_WORSE = 0.01
"""The most that the preset documented may lose of a metric: its validation rows are the same in another order."""
SHOWN = {
    "NDCG@10": ("metrics", "ndcg", "10"),
    "NDCG@100": ("metrics", "ndcg", "100"),
    "precision@10": ("metrics", "precision", "10"),
    "recall@100": ("metrics", "recall", "100"),
    "AUC": ("auc", "all", "auc"),
    "AUC warm": ("auc", "warm items", "auc"),
    "AUC cold": ("auc", "cold items", "auc"),
}
"""Metrics and where they stand in evaluation.json."""
FIGURES = {"seconds": "[s]", "cpu_seconds": "[CPU s]", "peak_mib": "[MiB]"}
SHOWN_TABLES = 6
Ratios = dict[str, dict[str, float]]
"""Part -> figure -> the baseline's over KRAFT's."""


class Plan(NamedTuple):
    what: str = "peers"
    """peers or preparation."""
    repeats: int = 3
    rounds: int | None = None
    """Of the documented ranker on both sides, at most; None for its 1,000."""


def run(setup: Setup, plan: Plan) -> Report:
    """Run each side ``plan.repeats`` times by turns, and compare time, memory and results.

    Raises:
        InputError: pandas is not installed, or of another version.
        MachineError: a side failed.
    """
    need_extra("bench", "this benchmark")
    whole = plan.what == "peers"
    rounds = plan.rounds or PRESETS[DOCUMENTED].ranker.rounds
    parts = tuple(COMMANDS) if whole else (PREPARE,)
    sides = {
        PANDAS: partial(_run_pandas, setup, rounds if whole else None),
        DOCUMENTED: partial(_run_kraft, setup, DOCUMENTED, rounds, parts),
        # It has rounds of its own.
        KRAFT: partial(_run_kraft, setup, KRAFT, None, parts),
    }
    runs = setup.turns(plan.repeats, sides if whole else {side: sides[side] for side in (PANDAS, DOCUMENTED)})
    parity = compare(Store(_folder(setup, DOCUMENTED)), _folder(setup, PANDAS), runs[PANDAS][-1]["answer"])
    for side in runs:
        shutil.rmtree(_folder(setup, side))
    return _report(setup, plan, runs, parity)


def _folder(setup: Setup, side: str) -> Path:
    return setup.folder / f"peers-{side.replace(' ', '-')}"


def _run_pandas(setup: Setup, rounds: int | None) -> dict[str, Any]:
    from kraft.benchmark import pandas_baseline  # noqa: PLC0415 - loads pandas

    given = {"raw": setup.raw, "out": setup.fresh(_folder(setup, PANDAS).name), "matrix": setup.matrix}
    command = command_of(pandas_baseline.run, {**given, "threads": setup.threads, "rounds": rounds})
    measured = setup.measure(command)
    answer = measured.answer()
    stages = {**answer["stages"], "start Python": round(measured.seconds - sum(answer["stages"].values()), 3)}
    found = measured.figures() | {ALL: measured.figures(), "stages": stages, "answer": answer}
    for part in COMMANDS:
        took = [seconds for stage, seconds in stages.items() if PARTS_OF_BASELINE.get(stage, PREPARE) == part]
        found[part] = {"seconds": sum(took)}
    # A process's peak only grows: it is known of the first part and of the whole.
    found[PREPARE]["peak_mib"] = answer["prepared_peak_bytes"] / MIB
    if rounds:
        metrics = answer["metrics"]
        found["trees"] = answer["trees"]
        found["metrics"] = {
            name: metrics["auc"][two] if one == "auc" else metrics[two][three]
            for name, (one, two, three) in SHOWN.items()
        }
    return found


def _run_kraft(setup: Setup, preset: str, rounds: int | None, parts: Sequence[str]) -> dict[str, Any]:
    work = setup.fresh(_folder(setup, preset).name)
    measured = {part: setup.job(*COMMANDS[part], work=work, preset=preset, rounds=rounds) for part in parts}
    found: dict[str, Any] = {part: one.figures() for part, one in measured.items()}
    whole = {name: (max if name == "peak_mib" else sum)(found[part][name] for part in parts) for name in FIGURES}
    found |= whole | {ALL: whole, "stages": _stages_of_kraft(measured[PREPARE], Store(work))}
    if EVALUATE in parts:
        report = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
        found["metrics"] = {name: report[one][two][three] for name, (one, two, three) in SHOWN.items()}
        found["trees"] = ranker_record(work, preset)["best_iteration"]
    return found


def _stages_of_kraft(measured: Measured, store: Store) -> dict[str, float]:
    """Seconds of the first part: both stages as the job prints them, and its largest tables."""
    lines = (re.match(r"\s*(tables|als)\s.*\s([\d,.]+) s$", line) for line in measured.stdout.splitlines())
    printed = {line[1]: float(line[2]) for line in lines if line}
    tables = {name: entry["seconds"] for name, entry in store.manifest().items() if "rows" in entry}
    largest = sorted(tables.items(), key=lambda item: -item[1])[:SHOWN_TABLES]
    stages = {"tables": printed.get("tables", sum(tables.values()))} | {f"  {name}": took for name, took in largest}
    stages |= {"ALS": printed["als"], "the whole job": measured.seconds}
    return {name: round(seconds, 3) for name, seconds in stages.items()}


def _report(setup: Setup, plan: Plan, runs: Runs, parity: list[Check]) -> Report:
    parts = PARTS if KRAFT in runs else (PREPARE, ALL)
    ratios = {side: _ratios(runs[PANDAS], runs[side], parts) for side in runs if side != PANDAS}
    documented = ratios[DOCUMENTED]
    first, smaller = documented[PREPARE]["seconds"], documented[PREPARE]["peak_mib"]
    told = [f"{first:.1f} times faster to where training starts with 1/{smaller:.1f} of the memory"]
    tables = [_comparison(setup, runs, ratios)]
    if KRAFT in runs:
        told += [
            f"{documented[EVALUATE]['seconds']:.1f} times to score and evaluate",
            f"{documented[ALL]['seconds']:.1f} times in all",
            f"preset kraft {ratios[KRAFT][ALL]['seconds']:.1f} times in all",
        ]
        quality = [(name, *(f"{runs[side][0]['metrics'][name]:.4f}" for side in SIDES)) for name in SHOWN]
        trees: tuple[Cell, ...] = ("trees", *(runs[side][0]["trees"] for side in SIDES))
        tables.append(Table("quality of the scores", ("", *SIDES), [*quality, trees]))
    tables += [_stage_table(side, made) for side, made in runs.items()]
    data = {"ratios": ratios, "runs": runs, "parity": parity}
    return Report(
        plan.what, f"{plan.what}  {', '.join(told)}", tables, data, [*_checks(setup, runs, documented), *parity]
    )


def _ratios(baseline: list[dict[str, Any]], ours: list[dict[str, Any]], parts: Sequence[str]) -> Ratios:
    found: Ratios = {}
    for part in parts:
        above, below = [one[part] for one in baseline], [one[part] for one in ours]
        found[part] = {name: ratio_of(above, below, name) for name in FIGURES if name in above[0]}
    return found


def _checks(setup: Setup, runs: Runs, ratios: Ratios) -> list[Check]:
    """What the preset documented has to reach; of each preset, the limit."""
    least_faster = {part: least for part, least in LEAST_FASTER.items() if part in ratios}
    checks = [at_least(f"{part}: times faster", ratios[part]["seconds"], least) for part, least in least_faster.items()]
    checks.append(at_least(f"{PREPARE}: times less memory", ratios[PREPARE]["peak_mib"], LEAST_SMALLER))
    for name in ("NDCG@10", "AUC") if EVALUATE in ratios else ():
        theirs, ours = (runs[side][0]["metrics"][name] for side in (PANDAS, DOCUMENTED))
        checks.append(at_least(f"{name} (the baseline's {theirs:.4f})", ours, theirs - MOST_WORSE, ".4f"))
    for side, made in list(runs.items())[1:]:
        checks.append(at_most(f"peak of {side} [MiB]", most_of({side: made}, "peak_mib"), setup.memory_limit / MIB))
    return checks


def _comparison(setup: Setup, runs: Runs, ratios: dict[str, Ratios]) -> Table:
    """A row for each part and figure that are known of every side."""
    rows: list[tuple[Cell, ...]] = []
    for figure, unit in FIGURES.items():
        for part in (part for part, known in ratios[DOCUMENTED].items() if figure in known):
            middle = {side: median_of([one[part] for one in made], figure) for side, made in runs.items()}
            ours = (cell for side, found in ratios.items() for cell in (middle[side], found[part][figure]))
            rows.append((f"{part} {unit}", middle[PANDAS], *ours))
    title = (
        f"medians of {len(runs[PANDAS])} runs by turns, {setup.threads} threads, peak of the largest process; "
        "ratio: median of the ratios of each turn"
    )
    return Table(title, ("", PANDAS, *(word for side in ratios for word in (side, "ratio"))), rows)


def _stage_table(side: str, made: list[dict[str, Any]]) -> Table:
    """Stages that every run reports; the smallest of the tables shown may vary."""
    stages = [run["stages"] for run in made]
    common = [name for name in stages[0] if all(name in one for one in stages)]
    part = "" if side == PANDAS else f", {PREPARE}"
    seconds = [(name, median_of(stages, name)) for name in common]
    return Table(f"where the seconds go: {side}{part}", ("", "median"), seconds)
