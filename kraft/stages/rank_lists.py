"""The stage that ranks candidates and writes the lists."""

import time
from pathlib import Path

from kraft.engine.process.progress import Progress
from kraft.engine.process.stage import LOW_MEMORY, Record, stage
from kraft.engine.workspace.store import Store
from kraft.settings import Settings
from kraft.stages.score import export


class RankLists(Record):
    """What `rank_lists` is asked."""

    settings: Settings
    candidates: Path
    """Parquet, as `retrieve_candidates` writes it."""
    out: str | None
    """File to write (CSV if the name ends in .csv, else Parquet), or a URL on Spark: user_id, rank (from 1),
    item_id, score, sources (names, most general last), sorted by user_id and rank. None: only `keep`."""
    keep: Path | None
    """Also keep the lists in this file, Parquet, with KRAFT's numbers in place of the log's own ids."""
    top: int
    """Videos a user."""
    diversity: float
    """0 to 1."""


class ListsRanked(Record):
    """What `rank_lists` made."""

    users: int
    rows: int
    short_lists: int
    """Users with fewer than `top` videos."""
    pairs: int
    """Candidates ranked."""
    seconds: float


@stage(RankLists, ListsRanked, LOW_MEMORY)
def rank_lists(arguments: RankLists) -> ListsRanked:
    """Rank the candidates of every user and write the best of them."""
    import pyarrow.parquet as pq

    from kraft.engine.own_ids import with_own_ids
    from kraft.stages.ranking import BLOCK_PAIRS, LISTS_SCHEMA, Ranking, user_blocks

    settings = arguments.settings
    store, progress = Store(settings.work), Progress(settings.verbosity)
    started = time.monotonic()
    facts = {"users": 0, "rows": 0, "short_lists": 0, "pairs": 0}
    with store.scratch() as folder:
        lists = folder / "lists.parquet"
        ranking = Ranking(store, settings, arguments.top, arguments.diversity)
        with (
            progress.task("recommend", pq.read_metadata(arguments.candidates).num_rows, "pairs") as task,
            pq.ParquetWriter(lists, LISTS_SCHEMA, compression="zstd") as writer,
        ):
            for block in user_blocks(arguments.candidates, BLOCK_PAIRS):
                table, users, short = ranking.lists(block)
                writer.write_table(table)
                facts["users"] += users
                facts["rows"] += len(table)
                facts["short_lists"] += short
                facts["pairs"] += len(block)
                task.advance(len(block))
        if arguments.out:
            export(with_own_ids(lists, store, folder), arguments.out)
        if arguments.keep:
            lists.replace(arguments.keep)
    return ListsRanked(**facts, seconds=round(time.monotonic() - started, 3))
