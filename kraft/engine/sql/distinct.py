"""Makes a table of distinct rows without grouping them, if no row occurs twice.

`interactions` counts how often the log holds each row. Grouping every column of a log takes 200 MiB and a tenth of the
time more than sorting it, and few logs repeat a row. So the log is sorted by the columns that tell nearly all rows
apart: if no two neighbours agree in these, no row repeats, and the rows are already those of the SELECT.
"""

import re
from collections.abc import Mapping

from kraft.engine.sql.queries import Query
from kraft.engine.sql.session import Connection
from kraft.errors import QueryError

DISTINCT: Mapping[str, tuple[str, ...]] = {"interactions": ("timestamp", "user_id", "item_id")}
"""Table that groups by all columns and counts the copies -> the columns that it is sorted by first. NULL comes last;
the last column has none."""
_GROUPED = re.compile(r"count\(\*\)(?P<between>.*?)\bgroup by all\b(?P<rest>.*?)order by [^)]*$", re.DOTALL)


def ungrouped(query: Query) -> str:
    """The SELECT of ``query``, one of `DISTINCT`, for rows without repeats.

    Raises:
        QueryError: it does not count rows grouped by all columns.
    """
    keys = ", ".join(f"{name} nulls last" for name in DISTINCT[query.name])
    text, found = _GROUPED.subn(rf"1\g<between>\g<rest>order by {keys}", query.text)
    if not found:
        raise QueryError(f"sql/{query.stage}/{query.name}.sql: it has to group by all columns and to count the rows")
    return text


def repeats(connection: Connection, table: str) -> bool:
    """Whether two neighbouring rows of ``table`` agree in all columns that it is sorted by first.

    Args:
        connection: prepared to keep the order of an input. There, a window over the rows as they come streams.
        table: one of `DISTINCT`, sorted by these columns.
    """
    keys = DISTINCT[table]
    before = ", ".join(f"lag({name}) over () as before_{name}" for name in keys)
    alike = " and ".join(f"{name} is not distinct from before_{name}" for name in keys)
    listed = f"select {', '.join(keys)}, {before} from {table}"  # noqa: S608 - names of this file
    found = f"select 1 from ({listed}) as listed where before_{keys[-1]} is not null and {alike} limit 1"  # noqa: S608
    return bool(connection.execute(found).fetchall())
