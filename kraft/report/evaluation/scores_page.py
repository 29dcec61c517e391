"""The page of the evaluation.

It shows what others computed: the report of the evaluated scores, the ranker and its record, the report of evaluated
recommendations, the manifest. Of its own are only contributions to the scores of sampled test pairs, and the texts
of the examples.
"""

from typing import Any

from kraft.artifacts import RANKER
from kraft.engine.workspace.store import Store
from kraft.models.ranker import training as ranker
from kraft.report.evaluation import lists, model, reliability, runs, scores, subsets, users
from kraft.report.page import Page
from kraft.settings import Settings
from kraft.stages.preset import preset_of


def page(
    settings: Settings,
    report: dict[str, Any],
    recommendations: dict[str, Any] | None,
    examples: list[dict[str, Any]],
    losses: str = "",
) -> Page:
    """The page's content.

    Args:
        settings: preset, work folder and raw files.
        report: of `kraft.evaluation.score_sets.evaluate`.
        recommendations: of `kraft.evaluation.lists.evaluate`, where there is one.
        examples: of `users.draw`, with `reasons`.
        losses: what is to be said of rows that do not count (`kraft.logs.losses`).
    """
    store, preset = Store(settings.work), preset_of(settings)
    trained = ranker.load(store.verified(preset.artifact(RANKER)))
    with preset.open_rows(store.table(preset.pair_table), store, settings) as rows:
        sample = model.contributions(rows, trained, settings.threads)
    sections = [
        scores.worth(report),
        scores.curves(report),
        subsets.section(report),
        reliability.section(report),
        *model.sections(trained, sample),
        lists.section(recommendations),
        users.section(examples, settings),
        runs.section(store, settings),
    ]
    lead = " ".join(filter(None, [scores.headline(report), losses]))
    facts = runs.facts(settings, trained.record)
    return Page(f"Evaluation of the preset {preset.name}", lead, sections, facts)
