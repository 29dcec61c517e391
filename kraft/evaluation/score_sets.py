"""Several score sets side by side: `sql/evaluation` run over each, and what the figures are worth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kraft.engine.own_ids import id_tables
from kraft.engine.process.memory import Budget
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.session import open_session, read_parquet
from kraft.engine.sql.sources import Parquet
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.evaluation.baselines import (
    BASELINES,
    FACTORS_ALONE,
    ScoreColumn,
    Scores,
    score_file,
    take_scores,
    write_factor_scores,
)
from kraft.evaluation.evaluator import AUC_METRICS, BASE_TABLES, Evaluator, ScoreSetMetrics
from kraft.evaluation.intervals import CONFIDENCE, RESAMPLES, SEED, UNIT, Estimate
from kraft.evaluation.ranking import CUTOFFS
from kraft.evaluation.score_texts import compare_table, detail, score_sets_table
from kraft.settings import Settings

PAIRED = ("ndcg@10", *AUC_METRICS.values())
"""Metrics in which the first score set is held against each of the others."""

BOOTSTRAP = {"resamples": RESAMPLES, "seed": SEED, "confidence": CONFIDENCE}


def evaluate(
    settings: Settings,
    scores: Mapping[str, Path],
    engine: Callable[..., Builder],
    *,
    als: str | None = None,
    cutoffs: Sequence[int] = (),
) -> tuple[dict[str, Any], str]:
    """Metrics of several score sets, with intervals.

    Args:
        settings: of the job.
        scores: name -> Parquet file with user_id, item_id and score, in the order to show them, the first the one
            that is evaluated.
        engine: the builder that runs `sql/evaluation`.
        als: the model of the baseline by factors alone; None: no baselines are added.
        cutoffs: K of the metrics @K; none: `CUTOFFS`.

    Returns:
        The report: `RankingReport.to_json` of the first score set, and `bootstrap`, `users`, `low_activity_users`,
        `notes` and `score_sets`: for each `name`, `baseline`, `ranking` (as the report), `estimates` (metric -> value,
        low, high), `low_activity_auc` (auc, pairs, positives), `first_minus_this` (the same for the paired
        difference; None for the first), `least_score`, `greatest_score` and `calibration` (None if scores are not
        from 0 to 1). And the plain text.

    Raises:
        InputError: no score set is given, or one does not hold one finite score for each test pair.
    """
    given: dict[str, Scores] = {name: score_file(path) for name, path in scores.items()}
    if not given:
        raise InputError("no scores are given to evaluate", "Name at least one file of scores.")
    notes: list[str] = []
    with _evaluator(settings, scores, engine, cutoffs) as evaluator:
        more = _baselines(evaluator, Store(settings.work).model(als), notes) if als else {}
        more = {name: source for name, source in more.items() if name not in given}
        evaluated = {name: evaluator.evaluate(name, source) for name, source in (given | more).items()}
    name, first = next(iter(evaluated.items()))
    report = first.report.to_json() | {
        "bootstrap": BOOTSTRAP,
        "users": len(first.user_ndcg),
        "low_activity_users": int(first.low_activity.sum()),
        "notes": notes,
        "score_sets": [_score_set(label, one, first, baseline=label in more) for label, one in evaluated.items()],
    }
    return report, "\n\n".join((score_sets_table(evaluated), *notes, detail(name, first)))


def compare(
    settings: Settings, scores: Mapping[str, Path], engine: Callable[..., Builder]
) -> tuple[dict[str, Any], str]:
    """The paired difference of two score sets: what the first is worth over the second.

    Args:
        settings: of the job.
        scores: name -> CSV or Parquet file with user_id, item_id and score: two of them, each a table of the work
            folder or a user's file.
        engine: the builder that runs `sql/evaluation`.

    Returns:
        The report: `a` and `b` (their names), `pairs`, `bootstrap`, `metrics` (metric -> a, b, difference, low, high)
        and `users` (count of those with a positive, shares whose NDCG@10 is higher (`rise`), lower (`fall`) or `equal`
        in the first; `drawn`, users in a resample). And the plain text.

    Raises:
        InputError: there are not two score sets, a user's file is not what `take_scores` takes, they do not hold the
            same pairs, or not one finite score for each test pair.
    """
    names = list(scores)
    if len(names) != len(("a", "b")):
        raise InputError(f"two score sets can be compared, not {len(names)}", "Give two, each a name of its own.")
    store = Store(settings.work)
    tables = store.table("scores").resolve().parent
    with _evaluator(settings, scores, engine, ()) as evaluator:
        sources: dict[str, Scores] = {}
        for number, (name, path) in enumerate(scores.items()):
            if path.resolve().parent == tables:
                sources[name] = score_file(path)
            else:
                copy = evaluator.scratch / f"given-{number}.parquet"
                sources[name] = take_scores(path, evaluator.connection, copy, evaluator.threads, id_tables(store))
        evaluator.same_pairs(names[0], names[1], sources)
        a, b = (evaluator.evaluate(name, source) for name, source in sources.items())
    differences = {
        metric: {"a": one.value, "b": b.metrics[metric].value, **_difference(one.minus(b.metrics[metric]))}
        for metric, one in a.metrics.items()
    }
    # A difference that the intervals cannot see is none.
    change = np.rint((a.user_ndcg - b.user_ndcg)[~np.isnan(a.user_ndcg)] / UNIT)
    users = {
        "count": len(change),
        "rise": float((change > 0).mean()),
        "fall": float((change < 0).mean()),
        "equal": float((change == 0).mean()),
        "drawn": len(a.user_ndcg),
    }
    report = {
        "a": names[0],
        "b": names[1],
        "pairs": a.report.pairs,
        "bootstrap": BOOTSTRAP,
        "metrics": differences,
        "users": users,
    }
    return report, compare_table(names[0], names[1], differences, users)


@contextmanager
def _evaluator(
    settings: Settings, scores: Mapping[str, Path], engine: Callable[..., Builder], cutoffs: Sequence[int]
) -> Iterator[Evaluator]:
    store = Store(settings.work)
    sources = {name: Parquet(store.table(name)) for name in BASE_TABLES}
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp, scores.values()) as connection,
    ):
        yield Evaluator(connection, sources, folder, settings.threads, cutoffs or CUTOFFS, engine)


def _baselines(evaluator: Evaluator, model: Path, notes: list[str]) -> dict[str, Scores]:
    """The baselines by name; a note for the one that cannot be had."""
    table = evaluator.shared.ensure("baseline_scores")
    counted = ", ".join(f"count({column})" for column in BASELINES.values())
    known = read_parquet(evaluator.connection, table).aggregate(counted).fetchall()[0]
    # A log without lengths has no shortest video.
    columns = [named for named, rows in zip(BASELINES.items(), known, strict=True) if rows]
    found: dict[str, Scores] = {name: ScoreColumn(table, column) for name, column in columns}
    if model.is_dir():
        scored = evaluator.scratch / "factor_scores.parquet"
        write_factor_scores(model, evaluator.sources["interactions_test"].path, scored)
        found[FACTORS_ALONE] = Parquet(scored)
    else:
        notes.append(f"{FACTORS_ALONE} is left out: {model} is not there")
    return found


def _difference(found: Estimate) -> dict[str, float | None]:
    return {"difference": found.value, "low": found.low, "high": found.high}


def _score_set(name: str, evaluated: ScoreSetMetrics, first: ScoreSetMetrics, *, baseline: bool) -> dict[str, Any]:
    paired = None
    if evaluated is not first:
        paired = {metric: first.metrics[metric].minus(evaluated.metrics[metric]).to_json() for metric in PAIRED}
    return {
        "name": name,
        "baseline": baseline,
        "ranking": evaluated.report.to_json(),
        "estimates": {metric: found.to_json() for metric, found in evaluated.estimates().items()},
        "low_activity_auc": dict(evaluated.low_activity_auc),
        "first_minus_this": paired,
        "least_score": evaluated.least,
        "greatest_score": evaluated.greatest,
        "calibration": evaluated.calibration,
    }
