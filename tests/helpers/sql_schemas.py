"""The columns and types of every table, as DuckDB derives them from `sql/` and the contracts of the raw files."""

from functools import cache

import duckdb

from kraft.engine.sql.queries import all_queries
from kraft.logs.contracts import CATEGORIES, INTERACTION_COLUMNS, OPTIONAL, USERS
from kraft.logs.described.sources import ITEM_COLUMNS, LOG_COLUMNS, USER_COLUMNS
from kraft.settings import Settings

SOURCES = ("watch_time", "als", "popular", "categories", "similar", "new")
"""Where candidates come from."""
OUTSIDE = {
    "raw_interactions": INTERACTION_COLUMNS,
    "raw_user_features": dict(USERS.columns),
    "raw_item_categories": dict(CATEGORIES.columns),
    **{f"raw_{contract.stem}": dict(contract.columns) for contract in OPTIONAL},
    # Read from a described log.
    "log_rows": LOG_COLUMNS,
    "log_users": {"user_key": "VARCHAR", **USER_COLUMNS},
    "log_items": ITEM_COLUMNS,
    # Written by the ranker.
    "scores": {"user_id": "INTEGER", "item_id": "INTEGER", "score": "DOUBLE"},
    # Written by the two stages of recommendations.
    "candidates": {
        **dict.fromkeys(("user_id", "item_id", "rank", "sources"), "INTEGER"),
        **dict.fromkeys((f"rank_{source}" for source in SOURCES), "INTEGER"),
    },
    "recommendations": {
        **dict.fromkeys(("user_id", "rank", "item_id"), "INTEGER"),
        "score": "DOUBLE",
        "sources": "VARCHAR",
    },
    "source_shares": {"source": "VARCHAR", "share": "DOUBLE"},
    # Examples on the page of the evaluation.
    "shown_pairs": {"user_id": "INTEGER", "item_id": "INTEGER"},
}
"""Tables that no file of `sql/` makes."""
PARAMETERS = {
    **Settings().model_dump(),
    "test_from": 0.0,
    "cutoffs": [1, 2],
    "held_out_share": 0.0,
    "recent_positives": 2,
    "top": 10,
    "exclude_seen": True,
    "most_rows": 10,
}


@cache
def schema_of(table: str) -> dict[str, str]:
    """Column -> DuckDB type of a table, in its order."""
    if table in OUTSIDE:
        return OUTSIDE[table]
    query = all_queries()[table]
    with duckdb.connect() as connection:
        for part in query.inputs:
            create_empty(connection, part)
        result = connection.sql(query.text, params={name: PARAMETERS[name] for name in query.parameters})
        return dict(zip(result.columns, map(str, result.types), strict=True))


def create_empty(connection, table: str) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in schema_of(table).items())
    connection.execute(f"create table {table} ({columns})")


# Pairs with a label and the time when they met.
OUTSIDE["label_pairs"] = schema_of("interactions_train")
# Lists that others are held against are lists.
OUTSIDE["reference"] = OUTSIDE["recommendations"]
# The log to test on is a log like the other, of another file.
OUTSIDE["observed_interactions"] = schema_of("interactions")
