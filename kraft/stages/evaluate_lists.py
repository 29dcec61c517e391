"""The stage that evaluates recommendations: what the candidates let through, and what the lists are worth."""

from pathlib import Path
from typing import TYPE_CHECKING

from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.settings import Settings
from kraft.stages.evaluate import Evaluation

if TYPE_CHECKING:
    from collections.abc import Callable

    from kraft.engine.sql.builder import Builder


class EvaluateLists(Record):
    """What `evaluate_lists` is asked; each field as in `kraft.evaluation.lists.ListsToEvaluate`."""

    settings: Settings
    lists: dict[str, Path]
    candidates: Path | None
    shares: dict[str, float]
    top: int
    exclude_seen: bool
    items: Path | None
    deepest: int | None = None


@stage(EvaluateLists, Evaluation, LOW_MEMORY)
def evaluate_lists(arguments: EvaluateLists, *, engine: "Callable[..., Builder] | None" = None) -> Evaluation:
    """Recall of the candidates by source, and metrics of several sets of lists.

    Args:
        arguments: of the stage.
        engine: the builder that runs `sql/recommendations`; by default DuckDB's.

    Raises:
        InputError: as `kraft.evaluation.lists.evaluate`.
    """
    from kraft.engine.sql.builder import Builder
    from kraft.evaluation.lists import ListsToEvaluate, evaluate

    asked = ListsToEvaluate(**{name: getattr(arguments, name) for name in ListsToEvaluate._fields})
    report, table = evaluate(arguments.settings, asked, engine or Builder)
    return Evaluation(report=report, table=table)
