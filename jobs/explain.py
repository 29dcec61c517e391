"""Say why a user should see a video: `python -m jobs.explain --user 14 --top 3`."""

import json
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from jobs._command import run
from kraft.errors import InputError
from kraft.settings import OutputFile, Settings

if TYPE_CHECKING:
    from kraft.pipeline.pipeline import Pipeline


class Options(Settings):
    """Why the ranker gives a pair its score: what each feature adds to it or takes from it, in plain words.

    The effects are LightGBM's own (TreeSHAP); with the average of all rows they add up to the score's log-odds. Brings
    up to date what it needs.
    """

    user: str
    """Id of the user."""
    item: str | None = None
    """Id of a video (video_id in the raw files): explain this one."""
    top: Annotated[int, Field(ge=1)] | None = None
    """Instead: explain the best so many of the user's recommendations."""
    features: Annotated[int, Field(ge=1)] = 10
    """Features with a line of their own, those with the largest effects; the others share one."""
    json_out: OutputFile | None = None
    """Also write the explanations, with every feature, to this JSON file."""


def main(options: Options) -> None:
    from kraft.columns import ITEM_ID, USER_ID
    from kraft.engine.own_ids import check_number, number_of
    from kraft.engine.workspace.store import write_whole
    from kraft.pipeline.pipeline import Pipeline
    from kraft.settings import KUAIREC

    if (options.item is None) == (options.top is None):
        raise InputError("--item and --top: exactly one of them is needed", "Give --item N, or --top N.")
    if options.log == KUAIREC:
        check_number("--user", options.user)
        if options.item is not None:
            check_number("--item", options.item)
    with Pipeline(options) as pipeline:
        pairs = chosen(pipeline, options)
        result = pipeline.explain(
            [
                (number_of(user, USER_ID, pipeline.store), number_of(item, ITEM_ID, pipeline.store))
                for user, item, _ in pairs
            ],
            sources=tuple(sources for _, _, sources in pairs),
            features=options.features,
        )
        outcome = f"{len(pairs):,} score{'s' if len(pairs) > 1 else ''} of user {options.user}"
        if options.json_out:
            text = json.dumps({"explanations": result.explanations}, indent=2, allow_nan=False) + "\n"
            write_whole(options.json_out, lambda draft: draft.write_text(text, encoding="utf-8"))
            outcome += f" -> {options.json_out}"
        print(result.table)
        print()
        print(pipeline.summary("explain", outcome, "python -m jobs.recommend --out recommendations.parquet"))


def chosen(pipeline: "Pipeline", options: Options) -> list[tuple[str, str, str]]:
    """(user_id, item_id, sources) of what is to be explained.

    Raises:
        InputError: there is nothing to recommend.
    """
    from kraft.pipeline.recommend import best_of

    if options.item is not None:
        pipeline.train()
        return [(options.user, options.item, "")]
    found = best_of(pipeline, options.user, options.top or 1)
    if not found:
        raise InputError(
            f"--user {options.user}: no video is left to recommend", "Give --item for one that the user has seen."
        )
    return found


if __name__ == "__main__":
    run(Options, main)
