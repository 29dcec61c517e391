"""What does the first stage of recommendations save, and cost? Lists from 500 candidates, and from every video.

Both are made for every user by turns, models and tables being up to date: from the whole catalogue, and from the videos
of the log alone, the only ones that the test period has interactions of.
"""

import json
from functools import partial
from typing import Any, NamedTuple

from kraft.benchmark.report import Report, Runs, Table, at_most, median_of, most_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.columns import ITEM_ID
from kraft.engine import frames
from kraft.engine.workspace.store import Store
from kraft.settings import MIB

TOP, CANDIDATES = 10, 500
CHOSEN, EVERY = SIDES = (f"{CANDIDATES} candidates", "every video")
CATALOGUE, LOG = "the whole catalogue", "the videos of the log"
MOST_LOSS, MOST_TIME = 0.02, 0.25
"""Of NDCG and of seconds, as shares of those of every video, for lists from the whole catalogue."""


class Plan(NamedTuple):
    repeats: int = 3


def run(setup: Setup, plan: Plan) -> Report:
    """Make the lists ``plan.repeats`` times on each side, by turns, and evaluate them once."""
    work = setup.folder / "recommend"
    setup.progress.say("  training, unless the models are up to date")
    setup.job("jobs.train", work=work, preset="kraft")
    drafts = setup.fresh("recommend-lists")
    items = drafts / "items.parquet"
    frames.scan_parquet(Store(work).table("interactions")).select(ITEM_ID).unique().sink_parquet(items)
    runs: dict[str, Runs] = {}
    evaluations: dict[str, dict[str, Any]] = {}
    for name, words in {CATALOGUE: (), LOG: ("--items", items)}.items():
        asked = ("--top", TOP, "--out", drafts / "lists.parquet", *words, "--candidates")
        make = partial(setup.job, "jobs.recommend", *asked, work=work, preset="kraft")
        setup.progress.say(f"  from {name}")
        sides = {CHOSEN: lambda make=make: make(CANDIDATES).figures(), EVERY: lambda make=make: make("all").figures()}
        runs[name] = setup.turns(plan.repeats, sides)
        out = drafts / "evaluation.json"
        make(CANDIDATES, "--evaluate", "--json-out", out)
        evaluations[name] = json.loads(out.read_text(encoding="utf-8"))
    return _report(setup, runs, evaluations)


def _report(setup: Setup, runs: dict[str, Runs], evaluations: dict[str, dict[str, Any]]) -> Report:
    loss = evaluations[CATALOGUE]["loss"]["relative"]["value"]
    times = {name: ratio_of(sides[CHOSEN], sides[EVERY], "seconds") for name, sides in runs.items()}
    peak = max(most_of(sides, "peak_mib") for sides in runs.values())
    headline = (
        f"recommend  the best {TOP} of {CANDIDATES} candidates lose {loss:.1%} of the NDCG@{TOP} of those of every "
        f"video, in {times[CATALOGUE]:.0%} of the time"
    )
    seconds = Table(
        f"medians of the runs by turns, every user, {setup.threads} threads; ratio: median of the ratios of each turn",
        ("videos from", *(f"{side} [s]" for side in SIDES), "ratio"),
        [(name, *(median_of(sides[side], "seconds") for side in SIDES), times[name]) for name, sides in runs.items()],
    )
    quality = Table(
        f"quality of the lists; loss: of NDCG@{TOP}, as a share of that of every video",
        ("videos from", *(f"NDCG, {side}" for side in SIDES), "loss", "95% interval", "videos kept"),
        [(name, *_quality(found)) for name, found in evaluations.items()],
    )
    checks = [
        at_most(f"loss of NDCG@{TOP}, {CATALOGUE}", loss, MOST_LOSS, ".1%"),
        at_most(f"share of the seconds, {CATALOGUE}", times[CATALOGUE], MOST_TIME, ".0%"),
        at_most("peak [MiB]", peak, setup.memory_limit / MIB),
    ]
    return Report("recommend", headline, [seconds, quality], {"runs": runs, "evaluations": evaluations}, checks)


def _quality(found: dict[str, Any]) -> tuple[str, ...]:
    ndcg = [f"{one['metrics']['ndcg']['value']:.4f}" for one in found["lists"]]
    loss = found["loss"]["relative"]
    interval = f"{loss['low']:.1%} to {loss['high']:.1%}"
    return (*ndcg, f"{loss['value']:.1%}", interval, f"{found['loss']['overlap']:.1%}")
