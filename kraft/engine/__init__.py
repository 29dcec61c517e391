"""The out-of-core engine: DuckDB sessions, SQL files as tables, the work folder, the memory budget.

It knows nothing of recommenders: `kraft.data`, `kraft.models` and `kraft.evaluation` stand on it.
"""
