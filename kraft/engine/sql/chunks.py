"""Tables that are made a span of users at a time, so that what has to be in memory does not grow with the log.

A join or a sort of a whole log spills, and reads and writes everything once or twice more; a span is joined and sorted
in memory. One thread asks DuckDB for the rows of the spans, as Arrow batches, while another writes those before them.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import duckdb

from kraft.engine.paths import quoted
from kraft.engine.sql.queries import Query
from kraft.engine.sql.session import Connection
from kraft.engine.sql.sources import RawFile, Source

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pyarrow as pa

SPANNED: Mapping[str, tuple[str, ...]] = {"pair_features": ("user_id", "interactions_test", "taste_rates")}
"""Table -> the column that its rows are sorted by first, then the inputs of which a row needs those of its own value
only. Of the other inputs it may need any row."""
SPAN_ROWS = 1_048_576
"""Rows of all inputs of a span together; or those of one user, where that has more. What a span joins has to fit in the
least memory limit there is. A constant: where row groups of the table end depends on it, and the bytes of a table do
not depend on the memory limit."""
EVERY = "memory.main"
"""Where the inputs are selectable as a whole."""
BATCH_ROWS = 65_536
"""Rows that cross at a time: 5 MiB of a table of 40 columns."""


def spans_of(connection: Connection, query: Query, sources: Mapping[str, Source]) -> list[str]:
    """The spans to make ``query`` in, as `cuts` gives them; none where it is made at once."""
    column, *inputs = SPANNED.get(query.name, ("",))
    # A CSV file would be read from its start for each span.
    read_anew = any(isinstance(source, RawFile) and not source.is_parquet for source in map(sources.get, inputs))
    return cuts(connection, inputs, column) if inputs and not read_anew else []


def cuts(connection: Connection, tables: Sequence[str], column: str) -> list[str]:
    """Conditions on ``column``, whole numbers, that share all rows out to spans of it, ascending: one for each span of
    all ``tables`` together. None where these have no more than `SPAN_ROWS` rows.
    """
    rows = sum(connection.view(table).aggregate("count(*)").fetchall()[0][0] for table in tables)
    if rows <= SPAN_ROWS:
        return []
    name = quoted(column)
    counts = " union all ".join(
        f"select {name} as value, count(*) as n from {table} where {name} is not null group by 1"  # noqa: S608
        for table in tables
    )
    ends = connection.execute(
        f"""
        with counted as (select value, sum(n) as n from ({counts}) as listed group by 1),
        placed as (select value, (sum(n) over (order by value) - 1) // {SPAN_ROWS} as span from counted)
        select max(value) from placed group by span order by span
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
    connection: Connection, query: Query, parameters: dict[str, Any], spans: list[str]
) -> "Iterator[pa.RecordBatchReader]":
    """The rows of ``query``, span after span; each batch is made by another thread while the one before it is used.

    Args:
        connection: of its own, in which all inputs are selectable.
        query: one of `SPANNED`.
        parameters: of the query.
        spans: as of `cuts`.

    Raises:
        duckdb.Error: at the end of the block, what a span came to, not what the reader of the batches made of it.
    """
    # Imported here: small tables need no Arrow.
    import pyarrow as pa  # noqa: PLC0415

    failed: list[duckdb.Error] = []

    def made() -> "Generator[pa.RecordBatch]":
        try:
            yield from _ahead(_batches(connection, query, parameters, spans))
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
    connection: Connection, query: Query, parameters: dict[str, Any], spans: list[str]
) -> "Iterator[pa.RecordBatch]":
    """The first has no rows, but the columns."""
    import pyarrow as pa  # noqa: PLC0415 - as in rows_of

    _, *inputs = SPANNED[query.name]
    for number, span in enumerate(spans):
        for name in inputs:
            # A temporary view is this connection's alone, and comes before the one of the same name.
            connection.execute(f"create or replace temp view {name} as select * from {EVERY}.{name} where {span}")  # noqa: S608
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
