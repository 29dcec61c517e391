"""What the page of the evaluation shows of recommendations: their evaluation, and three users."""

from typing import Any, NamedTuple

from kraft.errors import InputError
from kraft.pipeline.pipeline import Pipeline
from kraft.pipeline.recommend import CANDIDATES, Request, evaluate_named, rank, retrieve
from kraft.report.stages import DrawUsers, draw_users
from kraft.settings import MIB

ENOUGH_MEMORY = 512 * MIB
"""More makes no stage of `draw_examples` faster on full-size synthetic data."""


class Examples(NamedTuple):
    """Recommendations, looked at."""

    recommendations: dict[str, Any] | None
    """The report on candidates and lists; None if no test pair could be in a list."""
    users: list[dict[str, Any]]
    """A light, a median and a heavy user, with their history, their best recommendations, and the reasons for each."""


def draw_examples(pipeline: Pipeline, top: int = 5) -> Examples:
    """The lists that `jobs.recommend` makes unless asked otherwise, on models that are up to date.

    Args:
        pipeline: `CANDIDATE_TABLES` and `PAGE_TABLES` are up to date.
        top: recommendations of each user.
    """
    request, asked = Request(), pipeline.settings
    narrow = min(asked.memory_limit, ENOUGH_MEMORY)
    pipeline.settings = asked.model_copy(update={"memory_limit": narrow})
    with pipeline.store.scratch() as folder:
        candidates, lists = folder / "candidates.parquet", folder / "lists.parquet"
        retrieve(pipeline, request, candidates)
        rank(pipeline, request, candidates, None, keep=lists)
        users = pipeline.run(draw_users, DrawUsers(settings=pipeline.settings, lists=lists, top=top)).users
        try:
            report = evaluate_named(pipeline, request, {request.name: lists}, CANDIDATES).report
        except InputError:
            # Of lists that were made just now only the truth can be wrong: there is none.
            report = None
    pairs = [(user["user_id"], row["item_id"]) for user in users for row in user["recommended"]]
    reasons = iter(pipeline.explain(pairs).explanations if pairs else [])
    for user in users:
        user["reasons"] = [next(reasons) for _ in user["recommended"]]
    pipeline.settings = asked
    return Examples(report, users)
