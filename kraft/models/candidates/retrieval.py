"""Candidates of many users, from the tables of a work folder into one Parquet file."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.workspace.store import Store
from kraft.models.candidates.blocks import Made, Tables, all_items, candidates, schema, workers
from kraft.models.candidates.catalogue import Catalogue
from kraft.models.candidates.sources import Source
from kraft.models.candidates.user_rows import Index, UserRows
from kraft.settings import Settings

ROW_GROUP: Final = 65_536
"""Rows of a row group of the file; the last has what is left."""


class Users(NamedTuple):
    """For whom candidates are chosen."""

    ids: Index
    """Ascending, each once."""
    rows: Index
    """user_index of each; -1 for one without a history."""
    repeated: int
    """Ids that the user's file had beyond the first of their kind."""


class Choice(NamedTuple):
    """What candidates are chosen from and for whom."""

    settings: Settings
    catalogue: Catalogue
    sources: dict[str, Source]
    """By name; none if every video is wanted."""
    candidates: int | None
    """A user; None for every video that is left."""
    ranks: bool
    """Whether to write all that the sources retrieve, with the rank in the list of each."""
    exclude_seen: bool


def write_candidates(store: Store, choice: Choice, users: Users, out: Path) -> tuple[int, int]:
    """Write the candidates of ``users``; returns the pairs, and the users with fewer than asked for."""
    pairs = short = 0
    with ExitStack() as stack:
        task = stack.enter_context(Progress(choice.settings.verbosity).task("candidates", len(users.ids), "users"))
        writer = stack.enter_context(_Writer(out, schema(ranks=choice.ranks)))
        for made in chosen(stack, store, choice, users, workers(choice.settings.threads, choice.settings.memory_limit)):
            writer.add(made.table)
            pairs += len(made.table)
            short += made.short
            task.advance(made.users)
    return pairs, short


def chosen(stack: ExitStack, store: Store, choice: Choice, users: Users, threads: int) -> Iterator[Made]:
    """The candidates of ``users``, block after block.

    Args:
        stack: keeps the tables open.
        store: the work folder, whose tables are up to date.
        choice: what to choose from.
        users: for whom.
        threads: blocks side by side.
    """

    def rows(table: str, *names: str) -> UserRows:
        return stack.enter_context(UserRows(store.table(table), names))

    stack.enter_context(threadpool_limits(1, user_api="blas"))
    seen = rows("user_item_counts", columns.ITEM_INDEX) if choice.exclude_seen else None
    known = (users.ids, users.rows)
    if choice.candidates is None:
        return all_items(choice.catalogue, Tables(seen), known, threads=threads)
    recent, tastes = (
        rows("recent_positives", "rank", columns.ITEM_INDEX),
        rows("user_categories", "category", "weight"),
    )
    tables = Tables(seen, recent, tastes)
    return candidates(
        choice.catalogue,
        choice.sources,
        tables,
        known,
        choice.candidates,
        ranks=choice.ranks,
        threads=threads,
    )


class _Writer:
    """A Parquet file whose row groups do not depend on how its rows come."""

    def __init__(self, path: Path, columns_of: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, columns_of, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._schema = columns_of

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush(1)
        self._writer.close()

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._flush(ROW_GROUP)

    def _flush(self, least: int) -> None:
        """Write whole row groups, and with a ``least`` of 1 what is left."""
        rows = sum(map(len, self._waiting))
        whole = rows if least == 1 else rows // ROW_GROUP * ROW_GROUP
        if whole:
            table = pa.concat_tables(self._waiting)
            self._writer.write_table(table.slice(0, whole), row_group_size=ROW_GROUP)
            rest = table.slice(whole)
            # A copy: a slice would keep what was written.
            self._waiting = [rest.take(pa.array(np.arange(len(rest))))] if len(rest) else []
