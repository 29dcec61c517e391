"""How well each preset ranks a fresh twin, against what can be known at all, and what that costs.

The twin is made from a seed of its own, with its true probabilities (`jobs.synthesize --with-oracle`): no ranker
can do better than they do. Both presets run from the raw files to the scores, one after the other.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup
from kraft.engine.budget import Budget
from kraft.engine.isolation import run_stage
from kraft.engine.progress import QUIET
from kraft.engine.session import open_session, read_parquet
from kraft.engine.store import Store

KRAFT, SEED, ORACLE = "kraft", "seed", "oracle"
SHOWN = {
    "AUC": "auc",
    "warm": "auc warm items",
    "cold": "auc cold items",
    "NDCG@10": "ndcg@10",
    "NDCG@10 warm": "ndcg@10 warm items",
}
NAIVE = ("random", "popularity", "positive rate", "category rate", "shortest first")
CLOSED = {"NDCG@10 warm": 0.60, "warm": 0.70}
"""The least share of the distance from seed to the oracle that kraft has to close, on warm pairs."""
MOST_GAP, LEAST_COLD_GAIN, LEAST_SPEEDUP = 0.02, 0.10, 10.0


def run(setup: Setup, twin: dict[str, int], rounds: int | None) -> Report:
    """Make the twin, run both presets, judge them.

    Args:
        setup: folder, limit, threads; its data is not used.
        twin: `users`, `scale` and `seed` of the twin.
        rounds: of the preset seed; None for its own.
    """
    raw = setup.fresh("quality-twin")
    # In a process of its own: what it takes must not stand in the way of the measured ones.
    run_stage("kraft.data.twin:make_stage", {"to": str(raw), **twin, "with_oracle": True, "verbosity": QUIET})
    here = replace(setup, raw=raw, matrix="small")
    work = setup.fresh("quality")
    runs: dict[str, dict[str, Any]] = {}
    for preset in (KRAFT, SEED):
        changed = {"preset": preset, "rounds": rounds if preset == SEED else None}
        # Its own tables, so that neither finds what the other has built.
        own = work / preset
        command = module("jobs.score", "--out", own / "scores.parquet", *here.options(own, **changed))
        measured = here.measure(command)
        record = json.loads((own / "models" / f"ranker_{preset}" / "ranker.json").read_text(encoding="utf-8"))
        runs[preset] = measured.figures() | {name: record[name] for name in ("validation_auc", "best_iteration")}
        setup.progress.say(f"  {preset:<6} {measured.seconds:8.1f} s  peak {runs[preset]['peak_mib']:,.0f} MiB")
    scores = {preset: str(work / preset / "scores.parquet") for preset in (KRAFT, SEED)}
    scores[ORACLE] = str(_oracle_scores(setup, raw, work))
    settings = here.settings(work / KRAFT, KRAFT).model_dump(mode="json")
    stage = {"settings": settings, "scores": scores, "baselines": True}
    judged = run_stage("kraft.evaluation.stage:judge", stage)["report"]
    sets = {one["name"]: one for one in judged["score_sets"]}
    table = {
        name: {short: one["estimates"][full]["value"] for short, full in SHOWN.items()} for name, one in sets.items()
    }
    demands = _demands(table, sets, runs, setup.memory_limit)
    met = all(verdict == "met" for *_, verdict in demands)
    closed = {short: _closed(table, short) for short in CLOSED}
    speedup = runs[SEED]["seconds"] / runs[KRAFT]["seconds"]
    headline = (
        f"quality  kraft closes {closed['NDCG@10 warm']:.0%} of the distance from seed to what can be known in NDCG@10 "
        f"and {closed['warm']:.0%} in AUC (warm pairs), {speedup:.1f} times faster"
    )
    made = f"{twin['users'] * twin['scale']:,} users, seed {twin['seed']}"
    tables = [
        Table(
            f"test pairs of a twin of {made}",
            ("", *SHOWN),
            [(name, *map(_shown, row.values())) for name, row in table.items()],
        ),
        Table("what was asked", ("", "found", "asked", "verdict"), demands),
        Table(
            "the whole job, from raw files to scores",
            ("", *runs),
            [(name, *(run[name] for run in runs.values())) for name in runs[KRAFT]],
        ),
    ]
    data = {"twin": twin, "threads": setup.threads, "runs": runs, "judged": judged, "closed": closed}
    return Report("quality", headline, tables, data, passed=met)


def _oracle_scores(setup: Setup, raw: Path, work: Path) -> Path:
    """The true probabilities of the test pairs as a score set."""
    store = Store(work / KRAFT)
    target = work / "oracle.parquet"
    with open_session(
        Budget(setup.memory_limit), setup.threads, store.tmp, [raw / "oracle.parquet", target]
    ) as connection:
        read_parquet(connection, raw / "oracle.parquet").create_view("oracle")
        read_parquet(connection, store.table("interactions_test")).create_view("pairs")
        connection.execute(
            "copy (select user_id, pairs.item_id, oracle.probability as score from pairs "
            "join oracle using (user_id) where oracle.video_id = pairs.item_id) to $target (format parquet)",
            {"target": str(target)},
        )
    return target


def _closed(table: dict[str, dict[str, float]], metric: str) -> float:
    seed, kraft, oracle = (table[name][metric] for name in (SEED, KRAFT, ORACLE))
    return (kraft - seed) / (oracle - seed)


def _demands(
    table: dict[str, dict[str, float]], sets: dict[str, dict[str, Any]], runs: dict[str, dict[str, Any]], limit: int
) -> list[tuple[str, str, str, str]]:
    """What the preset has to show: found, asked, verdict."""
    kraft, seed = table[KRAFT], table[SEED]
    gap = abs(kraft["AUC"] - runs[KRAFT]["validation_auc"])
    lines = [("test AUC less validation AUC, absolute", f"{gap:.4f}", f"at most {MOST_GAP}", gap <= MOST_GAP)]
    for metric, share in CLOSED.items():
        closed = _closed(table, metric)
        name = metric if metric.startswith("NDCG") else f"AUC {metric}"
        lines.append((f"{name}: closed from seed to oracle", f"{closed:.1%}", f"at least {share:.0%}", closed >= share))
    for name in NAIVE:
        # The first set less this one, over all pairs.
        for full in ("ndcg@10", "auc"):
            low = sets[name]["first_minus_this"][full]["low"]
            lines.append((f"{full} over {name}, low end of the interval", f"{low:+.4f}", "above 0", low > 0))
    gain = kraft["cold"] - seed["cold"]
    lines.append(
        ("AUC on cold items over seed", f"{gain:+.4f}", f"at least {LEAST_COLD_GAIN}", gain >= LEAST_COLD_GAIN)
    )
    for name in ("category rate", "shortest first"):
        over = kraft["cold"] - table[name]["cold"]
        lines.append((f"AUC on cold items over {name}", f"{over:+.4f}", "above 0", over > 0))
    speedup = runs[SEED]["seconds"] / runs[KRAFT]["seconds"]
    lines.append(
        (
            "times faster than seed, the whole job",
            f"{speedup:.1f}",
            f"at least {LEAST_SPEEDUP:.0f}",
            speedup >= LEAST_SPEEDUP,
        )
    )
    peak = runs[KRAFT]["peak_mib"]
    lines.append(("peak of kraft [MiB]", f"{peak:,.0f}", f"at most {limit / 1024**2:,.0f}", peak <= limit / 1024**2))
    return [(text, found, asked, "met" if holds else "NOT MET") for text, found, asked, holds in lines]


def _shown(number: float | None) -> str:
    return "undefined" if number is None else f"{number:.4f}"
