"""How well does each preset rank fresh synthetic data, against what can be known at all, and at what cost?

The data is made from a separate seed, with its true probabilities (`jobs.synthesize --with-oracle`): no ranker can do
better than they do. Both presets run from the raw files to the scores, one after the other.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kraft.benchmark.report import Check, Report, Runs, Table, at_least, at_most, check
from kraft.benchmark.setup import Setup, ranker_record, synthesize
from kraft.engine.process import worker
from kraft.engine.process.memory import Budget
from kraft.engine.sql.session import open_session, read_parquet
from kraft.engine.workspace.store import Store
from kraft.settings import MIB, Settings
from kraft.stages.evaluate import EvaluateScores, evaluate_scores

KRAFT, DOCUMENTED, ORACLE = "kraft", "documented", "oracle"
SHOWN = {"AUC": "auc", "warm": "auc warm items", "cold": "auc cold items"}
SHOWN |= {"NDCG@10": "ndcg@10", "NDCG@10 warm": "ndcg@10 warm items"}
NAIVE = ("random", "popularity", "positive rate", "category rate", "shortest first")
CLOSED = {"NDCG@10 warm": 0.60, "warm": 0.70}
"""The least share of the distance from documented to the oracle that kraft has to close, on warm pairs."""
MOST_GAP, LEAST_COLD_GAIN, LEAST_SPEEDUP = 0.02, 0.10, 10.0


class Plan(NamedTuple):
    users: int = 1411
    scale: int = 1
    """Multiplies the users."""
    twin_seed: int = 1
    """Of the synthetic data."""
    rounds: int | None = None
    """Of the preset documented; None for its own."""


def run(setup: Setup, plan: Plan) -> Report:
    """Make the data, run both presets, evaluate them beside the oracle and the naive rankings."""
    raw, work = setup.fresh("quality-synthetic"), setup.fresh("quality")
    synthesize(raw, users=plan.users, scale=plan.scale, seed=plan.twin_seed, with_oracle=True)
    here = replace(setup, raw=raw, matrix="small")
    rounds = {KRAFT: None, DOCUMENTED: plan.rounds}
    sides = {preset: lambda preset=preset: _score(here, work / preset, preset, rounds[preset]) for preset in rounds}
    runs = here.turns(1, sides)
    scores = {preset: work / preset / "scores.parquet" for preset in runs}
    scores[ORACLE] = _oracle_scores(setup, raw, work)
    settings = Settings.model_validate(here.settings(work / KRAFT, preset=KRAFT))
    asked = EvaluateScores(settings=settings, scores=scores, baselines=True)
    return _report(setup, plan, runs, worker.run(evaluate_scores, asked).result.report)


def _score(setup: Setup, work: Path, preset: str, rounds: int | None) -> dict[str, Any]:
    """Run one preset with tables of its own, so that neither finds what the other has built."""
    measured = setup.job("jobs.score", "--out", work / "scores.parquet", work=work, preset=preset, rounds=rounds)
    record = ranker_record(work, preset)
    return measured.figures() | {name: record[name] for name in ("validation_auc", "best_iteration")}


def _oracle_scores(setup: Setup, raw: Path, work: Path) -> Path:
    """The true probabilities of the test pairs as a score set."""
    store = Store(work / KRAFT)
    source, target = raw / "oracle.parquet", work / "oracle.parquet"
    with open_session(Budget(setup.memory_limit), setup.threads, store.tmp, [source, target]) as connection:
        read_parquet(connection, source).create_view("oracle")
        read_parquet(connection, store.table("interactions_test")).create_view("pairs")
        connection.execute(
            "copy (select user_id, pairs.item_id, oracle.probability as score from pairs "
            "join oracle using (user_id) where oracle.video_id = pairs.item_id) to $target (format parquet)",
            {"target": str(target)},
        )
    return target


def _report(setup: Setup, plan: Plan, runs: Runs, evaluation: dict[str, Any]) -> Report:
    sets = {one["name"]: one for one in evaluation["score_sets"]}
    table = {
        name: {short: one["estimates"][full]["value"] for short, full in SHOWN.items()} for name, one in sets.items()
    }
    closed = {}
    for short in CLOSED:
        documented, kraft, oracle = (table[name][short] for name in (DOCUMENTED, KRAFT, ORACLE))
        closed[short] = (kraft - documented) / (oracle - documented)
    speedup = runs[DOCUMENTED][0]["seconds"] / runs[KRAFT][0]["seconds"]
    headline = (
        f"quality  kraft closes {closed['NDCG@10 warm']:.0%} of the distance from documented to what can be known "
        f"in NDCG@10 and {closed['warm']:.0%} in AUC (warm pairs), {speedup:.1f} times faster"
    )
    checks = [
        *_quality_checks(table, sets, closed, runs[KRAFT][0]["validation_auc"]),
        at_least("times faster than documented, the whole job", speedup, LEAST_SPEEDUP),
        at_most("peak of kraft [MiB]", runs[KRAFT][0]["peak_mib"], setup.memory_limit / MIB),
    ]
    made = f"test pairs of synthetic data of {plan.users * plan.scale:,} users, seed {plan.twin_seed}"
    metrics = [(name, *map(_shown, row.values())) for name, row in table.items()]
    whole = [(name, *(one[0][name] for one in runs.values())) for name in runs[KRAFT][0]]
    tables = [Table(made, ("", *SHOWN), metrics), Table("the whole job, from raw files to scores", ("", *runs), whole)]
    return Report("quality", headline, tables, {"runs": runs, "evaluation": evaluation, "closed": closed}, checks)


def _quality_checks(
    table: dict[str, dict[str, float]], sets: dict[str, dict[str, Any]], closed: dict[str, float], validation: float
) -> list[Check]:
    gap = abs(table[KRAFT]["AUC"] - validation)
    checks = [at_most("test AUC less validation AUC, absolute", gap, MOST_GAP, ".4f")]
    checks += [
        at_least(f"{SHOWN[one]}: closed from documented to oracle", closed[one], CLOSED[one], ".1%") for one in CLOSED
    ]
    for name in NAIVE:
        for metric in ("ndcg@10", "auc"):
            # The first set less this one, over all pairs.
            low = sets[name]["first_minus_this"][metric]["low"]
            what = f"{metric} over {name}, low end of the interval"
            checks.append(check(what, f"{low:+.4f}", "above 0", holds=low > 0))
    cold = {
        name: table[KRAFT]["cold"] - table[name]["cold"] for name in (DOCUMENTED, "category rate", "shortest first")
    }
    checks.append(at_least(f"AUC on cold items over {DOCUMENTED}", cold.pop(DOCUMENTED), LEAST_COLD_GAIN, "+.4f"))
    for name, over in cold.items():
        checks.append(check(f"AUC on cold items over {name}", f"{over:+.4f}", "above 0", holds=over > 0))
    return checks


def _shown(number: float | None) -> str:
    return "undefined" if number is None else f"{number:.4f}"
