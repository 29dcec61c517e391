"""The stages that score: JSON in, JSON out, each in a process of its own."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from kraft import columns
from kraft.engine import frames
from kraft.engine.budget import Budget, peak_bytes
from kraft.engine.builder import Builder
from kraft.engine.given import ID, PLACE, TIME, GivenFile
from kraft.engine.outputs import TableFormat, table_format
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.store import Store, write_whole
from kraft.models.cold_pairs import count_cold
from kraft.models.given_pairs import features_table, write_features
from kraft.models.recipes import RANKER, SCORES, named, scores_recipe
from kraft.settings import MIB, Settings

PAIRS: Final = {columns.USER_ID: ID, columns.ITEM_ID: ID, columns.TIMESTAMP: TIME}
"""What a user's file of pairs must hold."""


def score_table(settings: Settings, store: Store, features: Path, target: Path, progress: Progress) -> int:
    """Write the ranker's score of every row of a table of features (`given_pairs`); returns the rows."""
    # Imported here: `export_scores` copies a file and need not pay LightGBM's 130 MiB and second.
    from kraft.models import ranker, scoring  # noqa: PLC0415
    from kraft.models.preset_rows import open_rows  # noqa: PLC0415

    model = ranker.load(store.trusted(named(RANKER, settings)))
    with open_rows(features, store, settings) as rows:
        return scoring.score(rows, model, target, threads=settings.threads, progress=progress)


_COMPRESSIONS: Final[dict[TableFormat, Literal["uncompressed", "gzip", "zstd"]]] = {
    "csv": "uncompressed",
    "csv.gz": "gzip",
    "csv.zst": "zstd",
}

ScoreTable = Callable[[Settings, Store, Path, Path, Progress], int]
"""As `score_table`, the single machine's."""


def export(scores: Path, out: Path | str) -> None:
    """Write a table to ``out``, whole or not at all, in the format that its ending says (`table_format`)."""
    frame, place = frames.scan_parquet(scores), Path(out)
    ending = table_format(place)
    # The draft's own name says nothing of what is in it.
    if ending == "parquet":
        write_whole(place, frame.sink_parquet)
    else:
        write_whole(place, partial(frame.sink_csv, compression=_COMPRESSIONS[ending], check_extension=False))


def score(arguments: Mapping[str, Any], *, score_table: ScoreTable = score_table) -> dict[str, Any]:
    """Score every test pair and publish the table `scores_PRESET`.

    Args:
        arguments: `settings`; `commit`, whether to show readers the result at the end, by default true.
        score_table: what scores a table.
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    started = time.monotonic()
    progress = Progress(settings.verbosity)
    with store.scratch() as folder:
        written = folder / "scores.parquet"
        rows = score_table(settings, store, store.table(features_table(settings)), written, progress)
        facts = {
            "rows": rows,
            "seconds": round(time.monotonic() - started, 3),
            "peak_mib": round(peak_bytes() / MIB),
            "purpose": f"The score of every test pair, preset {settings.preset}. Grain: one row a test pair.",
            "columns": {
                columns.USER_ID: "id of the user",
                columns.ITEM_ID: "id of the video",
                columns.SCORE: "probability of a positive interaction, as the ranker sees it [0 to 1]",
            },
        }
        store.publish(named(SCORES, settings), written, scores_recipe(store, settings), facts)
    if arguments.get("commit", True):
        store.commit()
    return facts


def score_pairs(
    arguments: Mapping[str, Any],
    *,
    score_table: ScoreTable = score_table,
    builder: Callable[..., Builder] = Builder,
    export: Callable[[Path, str], None] = export,
) -> dict[str, Any]:
    """Score the pairs of a user's file, in its order, into another file.

    Users and videos that were never seen get what the preset gives cold ones (`given_pairs`).

    Args:
        arguments: `settings`; `pairs`, the file; `out`, the file to write.
        score_table: what scores a table.
        builder: the engine that makes the table of features.
        export: writes a table to the user's place.

    Returns:
        `rows`; `cold`, what `count_cold` counts; `peak_mib`.

    Raises:
        InputError: as `GivenFile.take`.
    """
    settings = Settings.model_validate(arguments["settings"])
    store = Store(settings.work)
    pairs = GivenFile(Path(arguments["pairs"]), PAIRS)
    with store.scratch() as folder:
        placed = folder / "placed.parquet"
        with open_session(Budget(settings.memory_limit), settings.threads, store.tmp, [pairs.path]) as connection:
            # The tables are in the order of the ids; the file's own order comes back with the scores.
            pairs.take(connection, placed, settings.threads, sort_by=(columns.USER_ID, columns.ITEM_ID))
            cold = count_cold(connection, placed, store)
        features = write_features(placed, store, settings, folder, builder=builder)
        written = folder / "scores.parquet"
        rows = score_table(settings, store, features, written, Progress(settings.verbosity))
        ordered = folder / "ordered.parquet"
        parts = [frames.scan_parquet(written), frames.scan_parquet(placed).select(PLACE)]
        pl.concat(parts, how="horizontal").sort(PLACE).drop(PLACE).sink_parquet(ordered)
        export(ordered, str(arguments["out"]))
    return {"rows": rows, "cold": cold, "peak_mib": round(peak_bytes() / MIB)}


def export_scores(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the table `scores` to the path that the user named."""
    settings = Settings.model_validate(arguments["settings"])
    export(Store(settings.work).table(named(SCORES, settings)), Path(arguments["out"]))
    return {}
