"""The stage that makes the page of the evaluation: JSON in, one file out, in a process of its own.

The page shows what others computed: the report of the judged scores, the ranker and its record, the report of judged
recommendations, the manifest. Of its own are only contributions to the scores of sampled test pairs, and the texts
of the examples.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kraft.engine.budget import peak_bytes
from kraft.engine.store import Store
from kraft.models import ranker
from kraft.models.given_pairs import features_table
from kraft.models.preset_rows import open_rows
from kraft.models.recipes import RANKER, named
from kraft.report.evaluation import lists, model, reliability, runs, scores, subsets, users
from kraft.report.page import Page, write
from kraft.report.place import FIGURES
from kraft.settings import MIB, Settings


def evaluation(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Write the page; tables, models and scores are up to date.

    Args:
        arguments: `settings`; `report`, of `kraft.evaluation.stage.judge`; `recommendations`, the report of
            `kraft.evaluation.recommendations.judge_recommendations`, or None; `users`, of `users.draw_users` with
            `reasons`; `losses`, what is to be said of rows that do not count (`kraft.data.losses`), or nothing; `out`,
            the file to write; `format`: html, json or markdown.

    Returns:
        `sections`, `figures` (how many), `bytes` (of the file), `peak_mib`.

    Memory: the libraries, a row group of features, and a few figures at a time.
    """
    settings = Settings.model_validate(arguments["settings"])
    out = Path(arguments["out"])
    made = page(settings, arguments)
    write(made, out, format=arguments["format"], figures=out.parent / FIGURES)
    return {
        "sections": len(made.sections),
        "figures": len(list(made.figures)),
        "bytes": out.stat().st_size,
        "peak_mib": round(peak_bytes() / MIB),
    }


def page(settings: Settings, arguments: Mapping[str, Any]) -> Page:
    """The page's content."""
    report = arguments["report"]
    store = Store(settings.work)
    trained = ranker.load(store.trusted(named(RANKER, settings)))
    with open_rows(store.table(features_table(settings)), store, settings) as rows:
        sample = model.contributions(rows, trained, settings.threads)
    sections = [
        scores.worth(report),
        scores.curves(report),
        subsets.section(report),
        reliability.section(report),
        *model.sections(trained, sample),
        lists.section(arguments["recommendations"]),
        users.section(arguments["users"], settings),
        runs.section(store, settings),
    ]
    lead = " ".join(filter(None, [scores.headline(report), arguments.get("losses", "")]))
    facts = runs.facts(settings, trained.record)
    return Page(f"Evaluation of the preset {settings.preset}", lead, sections, facts)
