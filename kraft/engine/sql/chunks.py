"""Makes large tables a chunk of users at a time, so that memory does not grow with the log.

A join or a sort of a whole log spills: it reads and writes all rows once or twice more. A chunk is joined and sorted in
memory. One thread asks DuckDB for the rows of a chunk, as Arrow batches, while another writes the chunk before it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import duckdb

from kraft.engine.paths import quoted
from kraft.engine.sql.queries import Query
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import Source

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

CHUNKED: Mapping[str, tuple[str, ...]] = {"pair_features": ("user_id", "interactions_test", "user_affinity")}
"""Table -> the column that its rows are sorted by first, then the inputs of which a row needs those of its own value
only. Of the other inputs it may need any row."""
CHUNK_ROWS = 1_048_576
"""Rows of a chunk, over all its inputs; a user with more rows is a chunk alone. What a chunk joins must fit in the
least memory limit. A constant: row groups end with chunks, and bytes of a table must not depend on the limit."""
EVERY = "memory.main"
"""Where the inputs are selectable as a whole."""
BATCH_ROWS = 65_536
"""Rows that cross at a time: 5 MiB of a table of 40 columns."""


def chunks_of(connection: Connection, query: Query, sources: Mapping[str, Source]) -> list[str]:
    """The chunks to make ``query`` in, as `cuts` gives them; none if it is made at once."""
    column, *inputs = CHUNKED.get(query.name, ("",))
    # A CSV file would be read from its start for each chunk.
    read_anew = any(isinstance(source, RawFile) and not source.is_parquet for source in map(sources.get, inputs))
    return cuts(connection, inputs, column) if inputs and not read_anew else []


def cuts(connection: Connection, tables: Sequence[str], column: str) -> list[str]:
    """Conditions on ``column`` (whole numbers) that divide all rows into chunks, ascending: one a chunk of all
    ``tables`` together. Empty if these have no more than `CHUNK_ROWS` rows.
    """
    rows = sum(connection.view(table).aggregate("count(*)").fetchall()[0][0] for table in tables)
    if rows <= CHUNK_ROWS:
        return []
    name = quoted(column)
    counts = " union all ".join(
        f"select {name} as value, count(*) as n from {table} where {name} is not null group by 1"  # noqa: S608
        for table in tables
    )
    ends = connection.execute(
        f"""
        with counted as (select value, sum(n) as n from ({counts}) as listed group by 1),
        numbered as (select value, (sum(n) over (order by value) - 1) // {CHUNK_ROWS} as chunk from counted)
        select max(value) from numbered group by chunk order by chunk
        """  # noqa: S608 - names of a file of sql/
    ).fetchall()
    # The first and the last have no bound on the outside: other inputs may have values that this one has not.
    bounds = [None, *(end for (end,) in ends[:-1]), None]
    return [_within(name, after, end) for after, end in pairwise(bounds)]


def _within(name: str, after: int | None, end: int | None) -> str:
    if end is None:
        # Rows without a value come last.
        return "true" if after is None else f"({name} > {after} or {name} is null)"
    return f"{name} <= {end}" if after is None else f"{name} > {after} and {name} <= {end}"


@contextmanager
def rows_of(
    connection: Connection, query: Query, parameters: dict[str, Any], chunks: list[str]
) -> "Iterator[pa.RecordBatchReader]":
    """The rows of ``query``, chunk after chunk; each batch is made by another thread while the one before it is used.

    Args:
        connection: of its own, in which all inputs are selectable.
        query: one of `CHUNKED`.
        parameters: of the query.
        chunks: as of `cuts`.

    Raises:
        duckdb.Error: at the end of the block, what a chunk came to, not what the reader of the batches made of it.
    """
    # Imported here: small tables need no Arrow.
    import pyarrow as pa  # noqa: PLC0415

    failed: list[duckdb.Error] = []

    def made() -> "Generator[pa.RecordBatch]":
        try:
            yield from _ahead(_batches(connection, query, parameters, chunks))
        except duckdb.Error as error:
            failed.append(error)
            raise

    with closing(made()) as batches:
        first = next(batches)
        try:
            yield pa.RecordBatchReader.from_batches(first.schema, chain((first,), batches))
        except duckdb.Error as error:
            raise (failed or [error])[0] from None


def _batches(
    connection: Connection, query: Query, parameters: dict[str, Any], chunks: list[str]
) -> "Iterator[pa.RecordBatch]":
    """The first has no rows, but the columns."""
    import pyarrow as pa  # noqa: PLC0415 - as in rows_of

    _, *inputs = CHUNKED[query.name]
    for number, chunk in enumerate(chunks):
        for name in inputs:
            # A temporary view is this connection's alone, and comes before the one of the same name.
            connection.execute(f"create or replace temp view {name} as select * from {EVERY}.{name} where {chunk}")  # noqa: S608
        rows = connection.sql(query.text, params=parameters).to_arrow_reader(BATCH_ROWS)
        if not number:
            yield pa.RecordBatch.from_pylist([], schema=rows.schema)
        yield from rows


def _ahead(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch
