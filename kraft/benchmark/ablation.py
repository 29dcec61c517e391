"""What is each group of features worth? The preset kraft's ranker, trained again without each of them.

Every ranker learns from the same rows and scores the same test pairs. Its metrics are compared, user by user, with
those of the preset as it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kraft.benchmark.report import Cell, Report, Table
from kraft.benchmark.setup import Setup
from kraft.benchmark.trial import Trial, run_trial
from kraft.columns import PAIR_FEATURE_GROUPS, WATCH_TIME
from kraft.engine.process import worker
from kraft.settings import Settings
from kraft.stages.evaluate import EvaluateScores, evaluate_scores

if TYPE_CHECKING:
    from pathlib import Path

AS_IT_IS = "as it is"


class Plan(NamedTuple):
    groups: Sequence[str] = (WATCH_TIME, *PAIR_FEATURE_GROUPS)


def run(setup: Setup, plan: Plan) -> Report:
    """Train the ranker as it is, then without each of ``plan.groups``; the test pairs' scores are compared."""
    work = setup.folder / "ablation"
    setup.progress.say("  building tables and models of the preset kraft, unless they are up to date")
    setup.job("jobs.train", work=work, preset="kraft")
    settings = Settings.model_validate(setup.settings(work, preset="kraft"))
    drafts = setup.fresh("ablation-scores")
    runs: dict[str, dict[str, Any]] = {}
    scores: dict[str, Path] = {}
    for name, without in {AS_IT_IS: (), **{f"without {group}": (group,) for group in plan.groups}}.items():
        scores[name] = drafts / f"{len(scores)}.parquet"
        trial = Trial(settings=settings.model_copy(update={"without": without}), out=scores[name])
        measured = worker.run(run_trial, trial)
        runs[name] = measured.result.model_dump() | {"seconds": measured.seconds}
        setup.progress.say(f"  {name:<26} {runs[name]['seconds']:6.1f} s")
    evaluation = worker.run(evaluate_scores, EvaluateScores(settings=settings, scores=scores)).result.report
    lines = [_line(one, runs[one["name"]]) for one in evaluation["score_sets"]]
    table = Table(
        f"{len(lines)} trainings on {runs[AS_IT_IS]['train_rows']:,} rows; difference: NDCG@10 less the preset's, 95 %",
        ("", "trees", "seconds", "valid. AUC", "AUC", "warm", "cold", "NDCG@10", "difference", "", "log loss"),
        lines,
    )
    best = max(evaluation["score_sets"], key=lambda one: float(one["estimates"]["ndcg@10"]["value"]))
    headline = f"ablation  best NDCG@10: {best['name']}"
    return Report("ablation", headline, [table], {"runs": runs, "evaluation": evaluation})


def _line(one: dict[str, Any], trained: dict[str, Any]) -> tuple[Cell, ...]:
    values = [one["estimates"][name]["value"] for name in ("auc", "auc warm items", "auc cold items", "ndcg@10")]
    difference, interval = "", ""
    if one["first_minus_this"]:
        found = one["first_minus_this"]["ndcg@10"]
        difference, interval = f"{-found['value']:+.4f}", f"[{-found['high']:+.4f}, {-found['low']:+.4f}]"
    return (
        one["name"],
        trained["best_iteration"],
        f"{trained['seconds']:.1f}",
        f"{trained['validation_auc']:.4f}",
        *("undefined" if number is None else f"{number:.4f}" for number in values),
        difference,
        interval,
        f"{one['calibration']['log_loss']:.4f}" if one["calibration"] else "",
    )
