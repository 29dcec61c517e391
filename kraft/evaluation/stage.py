"""The stage that judges the scores: runs `sql/evaluation` over them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kraft.engine.budget import Budget
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import Connection, open_session
from kraft.engine.sources import Parquet, Source
from kraft.engine.store import Store
from kraft.evaluation.ranking import CUTOFFS, from_rows
from kraft.settings import Settings


def evaluate(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of the table `scores` against `test_positives`.

    Args:
        arguments: `settings`; optionally `cutoffs`, by default `CUTOFFS`.

    Returns:
        `report` (`RankingReport.to_json`) and `table` (its plain text).
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    names = ("scores", "test_positives", "user_index", "item_index")
    sources: dict[str, Source] = {name: Parquet(store.table(name)) for name in names}
    parameters = {"cutoffs": arguments.get("cutoffs") or list(CUTOFFS)}
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp) as connection,
    ):
        builder = Builder(connection, Store(folder), sources, parameters, Progress(-1), threads=settings.threads)
        report = from_rows(
            _rows(connection, builder.ensure("ranking_metrics")),
            _rows(connection, builder.ensure("score_auc")),
        )
    return {"report": report.to_json(), "table": report.to_table()}


def _rows(connection: Connection, table: Path) -> list[dict[str, Any]]:
    relation = connection.read_parquet(str(table))
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
