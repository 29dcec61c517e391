"""What the preset kraft's choices are worth: the ranker trained again without each group of features, and otherwise.

Every trial learns from the same label rows and scores the same test pairs; its metrics are held against those of the
preset as it is, user by user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kraft.benchmark.outside import module
from kraft.benchmark.report import Report, Table
from kraft.benchmark.setup import Setup
from kraft.columns import PAIR_FEATURE_GROUPS, WATCH_TIME
from kraft.engine.isolation import THRIFTY, run_stage

AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Trial:
    """One way to train the ranker."""

    name: str
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the ranker that differ from the preset's."""
    without: Sequence[str] = ()
    """Groups of features that are left out."""


ABLATION = (
    Trial(AS_IT_IS),
    *(Trial(f"without {name}", without=(name,)) for name in (WATCH_TIME, *PAIR_FEATURE_GROUPS)),
)
TRIALS = (
    Trial(AS_IT_IS),
    Trial("watch time alone", without=tuple(PAIR_FEATURE_GROUPS)),
    Trial("lambdarank", {"objective": "lambdarank", "metric": ("auc",)}),
    Trial("7 leaves", {"num_leaves": 7}),
    Trial("31 leaves", {"num_leaves": 31}),
    Trial("learning rate 0.05", {"learning_rate": 0.05}),
    Trial("quantized gradients", {"use_quantized_grad": True}),
    Trial("GOSS", {"data_sample_strategy": "goss"}),
    Trial("63 bins", {"max_bin": 63}),
    Trial("random validation rows", {"validation": "random"}),
)
"""Choices that were open; the preset's stand in `kraft.settings`."""


ALS_TRIALS: dict[str, dict[str, Any]] = {
    "as documented: 64 factors, 0.01, stored zeros": {"regularization": 0.01, "iterations": 20, "store_zeros": True},
    **{
        f"{factors} factors, regularization {strength:g}": {"factors": factors, "regularization": strength}
        for factors in (16, 64)
        for strength in (0.01, 1, 20, 100)
    },
}
"""Settings of ALS; where nothing else is said, zeros are left out, as in the preset."""


def run(setup: Setup, what: str, trials: Sequence[Trial]) -> Report:
    """Run ``trials``, the first of which is the preset as it is."""
    settings = _built(setup)
    drafts = setup.fresh(f"{what}-scores")
    runs: dict[str, dict[str, Any]] = {}
    scores: dict[str, str] = {}
    for number, trial in enumerate(trials):
        out = drafts / f"{number}.parquet"
        stage = {"changed": dict(trial.changed), "without": list(trial.without), "out": str(out)}
        runs[trial.name] = run_stage(
            "kraft.models.trial_stage:run_trial", {"settings": settings, **stage}, environment=THRIFTY
        )
        scores[trial.name] = str(out)
        setup.progress.say(f"  {trial.name:<26} {runs[trial.name]['seconds']:6.1f} s")
    judged = run_stage("kraft.evaluation.stage:judge", {"settings": settings, "scores": scores})["report"]
    lines = [_line(one, runs[one["name"]]) for one in judged["score_sets"]]
    table = Table(
        f"{len(lines)} trainings on {runs[AS_IT_IS]['train_rows']:,} rows; difference: NDCG@10 less the preset's, 95 %",
        ("", "trees", "seconds", "valid. AUC", "AUC", "warm", "cold", "NDCG@10", "difference", "", "log loss"),
        lines,
    )
    data = {"raw": str(setup.raw), "threads": setup.threads, "runs": runs, "judged": judged}
    best = max(judged["score_sets"], key=lambda one: float(one["estimates"]["ndcg@10"]["value"]))
    return Report(what, f"{what}  best NDCG@10: {best['name']}", [table], data)


def run_als(setup: Setup) -> Report:
    """Try `ALS_TRIALS` on the history, judged by the pairs that followed it."""
    settings = _built(setup)
    told = run_stage("kraft.models.trial_stage:try_als", {"settings": settings, "trials": ALS_TRIALS})
    found = told["trials"]
    best = max(found, key=lambda name: float(found[name]["auc"]))
    table = Table(
        f"ALS alone on {told['pairs']:,} pairs of watched videos that met after the history",
        ("", "AUC", "seconds"),
        [(name, f"{one['auc']:.4f}", one["seconds"]) for name, one in found.items()],
    )
    data = {"raw": str(setup.raw), "threads": setup.threads, **told}
    return Report("als", f"als  best AUC: {best}", [table], data)


def _built(setup: Setup) -> dict[str, Any]:
    """Settings of the preset kraft in a work folder where everything is built."""
    work = setup.folder / "trials"
    setup.progress.say("  building tables and models of the preset kraft, unless they are up to date")
    ready = module("jobs.train", *setup.options(work, preset="kraft"))
    setup.measure(ready)
    return setup.settings(work, "kraft").model_dump(mode="json")


def _line(one: dict[str, Any], trained: dict[str, Any]) -> tuple[Any, ...]:
    estimates = one["estimates"]
    value = {name: estimates[name]["value"] for name in ("auc", "auc warm items", "auc cold items", "ndcg@10")}
    paired = one["first_minus_this"]
    difference, interval = "", ""
    if paired:
        found = paired["ndcg@10"]
        difference, interval = f"{-found['value']:+.4f}", f"[{-found['high']:+.4f}, {-found['low']:+.4f}]"
    calibration = one["calibration"]
    return (
        one["name"],
        trained["best_iteration"],
        f"{trained['seconds']:.1f}",
        f"{trained['validation_auc']:.4f}",
        *("undefined" if number is None else f"{number:.4f}" for number in value.values()),
        difference,
        interval,
        f"{calibration['log_loss']:.4f}" if calibration else "",
    )
