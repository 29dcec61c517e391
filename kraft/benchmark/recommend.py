"""What the first stage of recommendations saves, and what it costs: lists from candidates, and lists from every video.

Both are made for every user by turns, models and tables being up to date: from the whole catalogue, and from the videos
of the log alone, which are those that the test period can tell anything of.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table, median_of, ratio_of
from kraft.benchmark.setup import Setup
from kraft.columns import ITEM_ID
from kraft.engine.store import Store

TOP, CANDIDATES = 10, 500
CHOSEN, EVERY = SIDES = (f"{CANDIDATES} candidates", "every video")
CATALOGUE, LOG = "the whole catalogue", "the videos of the log"
MOST_LOSS, MOST_TIME = 0.02, 0.25
"""Of NDCG and of seconds, as shares of those of every video, where lists come from the whole catalogue."""


def run(setup: Setup, repeats: int, preset: str = "kraft") -> Report:
    """Make the lists ``repeats`` times on each side, by turns, and judge them once."""
    work = setup.folder / "recommend"
    options = setup.options(work, preset=preset)
    setup.progress.say("  training, unless the models are up to date")
    setup.measure(module("jobs.train", *options))
    drafts = setup.fresh("recommend-lists")
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    judged: dict[str, dict[str, Any]] = {}
    for name, items in {CATALOGUE: None, LOG: _videos_of_the_log(Store(work), drafts / "items.parquet")}.items():
        chosen = ("--items", items) if items else ()
        asked = ("--top", TOP, "--out", drafts / "lists.parquet", *chosen, *options)
        runs[name] = {side: [] for side in SIDES}
        for number in range(repeats):
            # Each side begins in turn.
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                candidates = CANDIDATES if side == CHOSEN else "all"
                command = module("jobs.recommend", "--candidates", candidates, *asked)
                measured = setup.measure(command)
                runs[name][side].append(measured.figures())
                setup.progress.say(f"  {number + 1}/{repeats} {name}, {side:<15} {measured.seconds:7.1f} s")
        out = drafts / "judged.json"
        command = module("jobs.recommend", "--candidates", CANDIDATES, "--evaluate", "--json-out", out, *asked)
        setup.measure(command)
        judged[name] = json.loads(out.read_text(encoding="utf-8"))
    return _report(setup, runs, judged)


def _videos_of_the_log(store: Store, target: Path) -> Path:
    with pq.ParquetFile(store.table("interactions")) as file:
        items = file.read([ITEM_ID])[ITEM_ID].unique()
    pq.write_table(pa.table({ITEM_ID: items}), target)
    return target


def _report(
    setup: Setup, runs: dict[str, dict[str, list[dict[str, Any]]]], judged: dict[str, dict[str, Any]]
) -> Report:
    losses = {name: found["loss"]["relative"]["value"] for name, found in judged.items()}
    times = {name: ratio_of(sides[CHOSEN], sides[EVERY], "seconds") for name, sides in runs.items()}
    peak = max(run["peak_mib"] for sides in runs.values() for side in sides.values() for run in side)
    headline = (
        f"recommend  the best {TOP} of {CANDIDATES} candidates lack {losses[CATALOGUE]:.1%} of the NDCG@{TOP} of those "
        f"of every video, in {times[CATALOGUE]:.0%} of the time"
    )
    seconds = Table(
        f"medians of the runs by turns, every user, {setup.threads} threads; ratio: median of the ratios of each turn",
        ("videos from", *(f"{side} [s]" for side in SIDES), "ratio"),
        [(name, *(median_of(sides[side], "seconds") for side in SIDES), times[name]) for name, sides in runs.items()],
    )
    worth = Table(
        f"what the lists are worth; loss: of NDCG@{TOP}, as a share of that of every video",
        ("videos from", *(f"NDCG, {side}" for side in SIDES), "loss", "95% interval", "videos kept"),
        [(name, *_worth(found)) for name, found in judged.items()],
    )
    data = {"runs": runs, "judged": judged, "raw": str(setup.raw), "threads": setup.threads, "peak_mib": peak}
    passed = losses[CATALOGUE] <= MOST_LOSS and times[CATALOGUE] <= MOST_TIME
    return Report("recommend", headline, [seconds, worth], data, passed=passed and peak * 2**20 <= setup.memory_limit)


def _worth(found: dict[str, Any]) -> tuple[str, ...]:
    ndcg = [f"{one['metrics']['ndcg']['value']:.4f}" for one in found["lists"]]
    loss = found["loss"]["relative"]
    return (
        *ndcg,
        f"{loss['value']:.1%}",
        f"{loss['low']:.1%} to {loss['high']:.1%}",
        f"{found['loss']['overlap']:.1%}",
    )
