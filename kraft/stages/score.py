"""The stages that score: the test pairs, the pairs of a given file; and the export of scores."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from kraft import columns
from kraft.artifacts import RANKER, SCORES
from kraft.engine.outputs import TableFormat, table_format
from kraft.engine.process.memory import Budget, peak_bytes
from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.workspace.store import Store, write_whole
from kraft.settings import MIB, Settings
from kraft.stages.fingerprints import scores_fingerprint
from kraft.stages.preset import preset_of

if TYPE_CHECKING:
    from kraft.engine.sql.builder import Builder

ScoreTable = Callable[[Settings, Store, Path, Path, Progress], int]
"""As `score_table`, the single machine's."""
_COMPRESSIONS: Final[dict[TableFormat, Literal["uncompressed", "gzip", "zstd"]]] = {
    "csv": "uncompressed",
    "csv.gz": "gzip",
    "csv.zst": "zstd",
}
Export = Callable[[Path, str], None]
"""As `export`, the single machine's."""


class ScoreTestPairs(Record):
    """What `score_test_pairs` is asked."""

    settings: Settings
    commit: bool = True
    """Whether to show readers the result at the end."""


class ScoredTestPairs(Record):
    """What `score_test_pairs` made."""

    rows: int
    seconds: float
    peak_mib: int


class ScoreGivenPairs(Record):
    """What `score_given_pairs` is asked."""

    settings: Settings
    pairs: Path
    """CSV or Parquet file of the user's."""
    out: str
    """File to write, or a URL on Spark."""


class ScoredGivenPairs(Record):
    """What `score_given_pairs` made."""

    rows: int
    cold: dict[str, dict[str, int]]
    """As `kraft.models.cold_pairs.count_cold`."""


class ExportScores(Record):
    """What `export_scores` is asked."""

    settings: Settings
    out: str
    """File to write, or a URL on Spark."""


class ScoresExported(Record):
    """What `export_scores` made: the file, and nothing to tell of it."""


def score_table(settings: Settings, store: Store, features: Path, target: Path, progress: Progress) -> int:
    """Write the ranker's score of every row of a table of features (`given_pairs`); returns the rows."""
    from kraft.models.ranker import scoring
    from kraft.models.ranker import training as ranker

    preset = preset_of(settings)
    model = ranker.load(store.verified(preset.artifact(RANKER)))
    with preset.open_rows(features, store, settings) as rows:
        return scoring.score(rows, model, target, threads=settings.threads, progress=progress)


def export(scores: Path, out: Path | str) -> None:
    """Write a table to ``out``, whole or not at all, in the format that its ending says (`table_format`)."""
    from kraft.engine import frames

    frame, path = frames.scan_parquet(scores), Path(out)
    ending = table_format(path)
    # The draft's own name says nothing of what is in it.
    if ending == "parquet":
        write_whole(path, frame.sink_parquet)
    else:
        write_whole(path, partial(frame.sink_csv, compression=_COMPRESSIONS[ending], check_extension=False))


@stage(ScoreTestPairs, ScoredTestPairs, LOW_MEMORY)
def score_test_pairs(arguments: ScoreTestPairs, *, score_table: ScoreTable = score_table) -> ScoredTestPairs:
    """Score every test pair and publish the table `scores_PRESET`.

    Args:
        arguments: of the stage.
        score_table: what scores a table.
    """
    settings = arguments.settings
    store, preset = Store(settings.work), preset_of(settings)
    started = time.monotonic()
    with store.scratch() as folder:
        written = folder / "scores.parquet"
        rows = score_table(settings, store, store.table(preset.pair_table), written, Progress(settings.verbosity))
        scored = ScoredTestPairs(
            rows=rows, seconds=round(time.monotonic() - started, 3), peak_mib=round(peak_bytes() / MIB)
        )
        meaning = {
            "purpose": f"The score of every test pair, preset {preset.name}. Grain: one row a test pair.",
            "columns": {
                columns.USER_ID: "id of the user",
                columns.ITEM_ID: "id of the video",
                columns.SCORE: "probability of a positive interaction, as the ranker sees it [0 to 1]",
            },
        }
        store.publish(
            preset.artifact(SCORES), written, scores_fingerprint(store, settings), scored.model_dump() | meaning
        )
    if arguments.commit:
        store.commit()
    return scored


@stage(ScoreGivenPairs, ScoredGivenPairs, LOW_MEMORY)
def score_given_pairs(
    arguments: ScoreGivenPairs,
    *,
    score_table: ScoreTable = score_table,
    builder: "Callable[..., Builder] | None" = None,
    export: Export = export,
) -> ScoredGivenPairs:
    """Score the pairs of a user's file, in its order, into another file.

    Users and videos that were never seen get what the preset gives cold ones (`given_pairs`).

    Args:
        arguments: of the stage.
        score_table: what scores a table.
        builder: the engine that makes the table of features; by default DuckDB's.
        export: writes a table to the user's path.

    Raises:
        InputError: as `GivenFile.take`.
    """
    import polars as pl

    from kraft.engine import frames
    from kraft.engine.own_ids import id_tables, with_integers
    from kraft.engine.sql.given import ROW_NUMBER, GivenFile, own_copy
    from kraft.engine.sql.session import open_session
    from kraft.models.cold_pairs import count_cold
    from kraft.stages.given_pairs import PAIRS, write_features

    settings = arguments.settings
    store = Store(settings.work)
    pairs = GivenFile(arguments.pairs, PAIRS, id_tables(store))
    with store.scratch() as folder:
        # The tables are in the order of the ids; the file's own order comes back with the scores.
        numbered = folder / "numbered.parquet"
        with open_session(Budget(settings.memory_limit), settings.threads, store.tmp, [pairs.path]) as connection:
            pairs.take(connection, numbered, settings.threads, sort_by=(columns.USER_ID, columns.ITEM_ID))
            cold = count_cold(connection, numbered, store)
        features = write_features(numbered, store, settings, folder, builder=builder)
        written = folder / "scores.parquet"
        rows = score_table(settings, store, features, written, Progress(settings.verbosity))
        ordered = folder / "ordered.parquet"
        parts = [frames.scan_parquet(written), frames.scan_parquet(numbered).select(ROW_NUMBER)]
        scored = pl.concat(parts, how="horizontal").sort(ROW_NUMBER).drop(ROW_NUMBER)
        if pairs.numbers:
            own = with_integers(own_copy(numbered), *pairs.numbers).sort(ROW_NUMBER).select(pairs.numbers.keys())
            scored = pl.concat([own, scored.select(columns.SCORE)], how="horizontal")
        scored.sink_parquet(ordered)
        export(ordered, arguments.out)
    return ScoredGivenPairs(rows=rows, cold=cold)


@stage(ExportScores, ScoresExported, LOW_MEMORY)
def export_scores(arguments: ExportScores, *, export: Export = export) -> ScoresExported:
    """Copy the table `scores_PRESET` to the path that the user named."""
    from kraft.engine.own_ids import with_own_ids

    settings = arguments.settings
    store = Store(settings.work)
    with store.scratch() as folder:
        export(with_own_ids(store.table(preset_of(settings).artifact(SCORES)), store, folder), arguments.out)
    return ScoresExported()
