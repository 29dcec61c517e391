"""The stage that explains scores."""

from typing import Any

from kraft import columns
from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import Settings

Pair = tuple[int, int]
"""user_id, item_id."""


class ExplainScores(Record):
    """What `explain_scores` is asked."""

    settings: Settings
    pairs: tuple[Pair, ...]
    sources: tuple[str, ...] = ()
    """What retrieved each video; none: nothing is said of it."""
    features: int = 10
    """Lines a pair with a feature each, in the text."""


class ScoresExplained(Record):
    """What `explain_scores` made."""

    explanations: list[dict[str, Any]]
    """`kraft.models.ranker.explain.Explanation.as_json` of each pair, with every feature."""
    table: str
    """Plain text."""


@stage(ExplainScores, ScoresExplained, LOW_MEMORY)
def explain_scores(arguments: ExplainScores) -> ScoresExplained:
    """Explain the ranker's scores of a few pairs; tables and models are up to date.

    Raises:
        InputError: a user or a video is in no table.
    """
    from kraft.engine.own_ids import own_ids
    from kraft.stages.explanations import explain_pairs, notes_on

    settings, pairs = arguments.settings, arguments.pairs
    store = Store(settings.work)
    users, items = zip(*pairs, strict=True)
    own = own_ids({columns.USER_ID: users, columns.ITEM_ID: items}, store)
    notes = notes_on(pairs, store, own)
    explained = explain_pairs(sorted(set(pairs)), store, settings)
    explanations = []
    for (user, item), retrieved_by in zip(pairs, arguments.sources or ("",) * len(pairs), strict=True):
        told = (*notes.get((columns.USER_ID, user), ()), *notes.get((columns.ITEM_ID, item), ()))
        ids = own[columns.USER_ID, user], own[columns.ITEM_ID, item]
        explanations.append(explained[user, item].with_context(told, retrieved_by, ids))
    return ScoresExplained(
        explanations=[one.as_json() for one in explanations],
        table="\n\n".join(one.to_text(arguments.features) for one in explanations),
    )
