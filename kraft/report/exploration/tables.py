"""The small tables of `sql/exploration` that the page of the data shows: run, and read as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kraft.engine.paths import pattern
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.queries import Query, all_queries
from kraft.engine.sql.raw_file import RawFile, paths_of
from kraft.engine.sql.session import open_session, read_parquet
from kraft.engine.sql.sources import Parquet, Source
from kraft.engine.workspace.store import Store
from kraft.logs.contracts import resolve
from kraft.settings import KUAIREC, MIB, Settings

STAGE = "exploration"
"""The folder of `sql/`."""
RAW_USERS = "raw_user_features"
"""The one raw file that is shown: what it lacks is imputed in every table."""
ENOUGH_MEMORY = 512 * MIB
"""More makes no query faster on the full-size log."""
ENOUGH = 0.001
"""Share of all interactions from which a rate is named in a sentence."""
MOST_BARS = 15
"""Bars with a name that a plot has room for. What a log has more of, it shows the most frequent of."""
MOST_DOTS = 100
"""The same, of dots with a name: the time to place them grows with their square."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Exploration:
    """What was found in the data."""

    settings: Settings
    tables: Mapping[str, list[Row]]
    """Name -> rows of each file of `sql/exploration`."""

    @property
    def has_ratios(self) -> bool:
        """Whether the log has watch ratios."""
        return self.one("log_summary")["median_ratio"] is not None

    @property
    def has_threshold(self) -> bool:
        """Whether a threshold of the watch ratio is the label; a described log says itself what is positive."""
        return self.settings.log == KUAIREC

    @property
    def positive(self) -> str:
        """What positive interactions do, for sentences."""
        if self.has_threshold:
            return f"reach a watch ratio of {self.settings.positive_threshold:g}"
        return "are positive"

    def rows(self, name: str, **where: Any) -> list[Row]:  # noqa: ANN401 - values of a table
        """The rows of a table, or those with these values."""
        return [row for row in self.tables[name] if all(row[column] == value for column, value in where.items())]

    def one(self, name: str, **where: Any) -> Row:  # noqa: ANN401 - values of a table
        """The only such row."""
        (row,) = self.rows(name, **where)
        return row

    def sql(self, *names: str) -> str:
        """The queries behind tables, as they can be typed in the work folder's kraft.duckdb: the header, values for
        parameters, and a view for what is not in it, the file of the users.
        """
        return "\n".join(_typed(all_queries()[name], self.settings) for name in names)


def with_shares(rows: list[Row]) -> list[Row]:
    """The rows, each with the share of its interactions that are positive."""
    return [row | {"positive_share": row["positives"] / row["interactions"]} for row in rows]


def most_frequent(rows: list[Row], most: int) -> list[Row]:
    """The ``most`` rows with the most interactions, in the order of ``rows``."""
    if len(rows) <= most:
        return rows
    kept = sorted(range(len(rows)), key=lambda index: (-rows[index]["interactions"], index))[:most]
    return [rows[index] for index in sorted(kept)]


def some_of(shown: list[Row], rows: list[Row], things: str) -> str:
    """What a sentence says where a plot does not show all rows.

    >>> some_of([{}], [{}, {}], "classes"), some_of([{}], [{}], "classes")
    (' The plot shows the 1 most frequent of 2 classes.', '')
    """
    if len(shown) == len(rows):
        return ""
    return f" The plot shows the {len(shown):,} most frequent of {len(rows):,} {things}."


def queries() -> list[Query]:
    """The files of `sql/exploration`."""
    return [query for query in all_queries().values() if query.stage == STAGE]


def inputs() -> tuple[str, ...]:
    """Tables of the work folder that the exploration reads."""
    return tuple(dict.fromkeys(name for query in queries() for name in query.inputs if name != RAW_USERS))


def run(settings: Settings) -> Exploration:
    """Run every file of `sql/exploration` over tables that are up to date.

    Memory: DuckDB's share of the limit; no result has more rows than a plot has points.
    """
    store = Store(settings.work)
    users = _raw_users(settings)
    sources: dict[str, Source] = {name: Parquet(store.table(name)) for name in inputs()}
    sources[RAW_USERS] = users
    budget = Budget(min(settings.memory_limit, ENOUGH_MEMORY))
    with (
        store.scratch() as folder,
        open_session(budget, settings.threads, store.tmp, paths_of([users])) as connection,
    ):
        builder = Builder(
            connection,
            Store(folder / "page"),
            sources,
            settings.model_dump(),
            Progress(settings.verbosity),
            threads=settings.threads,
        )
        names = [query.name for query in queries()]
        found = {}
        with builder.progress.task("explore", len(names), "queries") as task:
            for name in names:
                task.note(name)
                relation = read_parquet(connection, builder.ensure(name))
                found[name] = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
                task.advance()
    return Exploration(settings, found)


def _raw_users(settings: Settings) -> RawFile | Parquet:
    """The users before anything is imputed: the raw file, or of a described log the table that was made of it."""
    if settings.log != KUAIREC:
        return Parquet(Store(settings.work).table(RAW_USERS))
    assert settings.raw is not None  # noqa: S101 - the job's pipeline has set it
    required, _ = resolve(settings.raw, "big" if settings.protocol == "big-to-small" else settings.matrix)
    return required[RAW_USERS]


def _typed(query: Query, settings: Settings) -> str:
    """One statement, or two, that need nothing but the catalog."""
    chosen = settings.model_dump(mode="json")
    lines = []
    for line in query.text.rstrip().splitlines():
        code, dashes, remark = line.partition("--")
        for name in query.parameters:
            code = code.replace(f"${name}", _literal(chosen[name]))
        lines.append(code + dashes + remark)
    view = []
    file = _raw_users(settings) if RAW_USERS in query.inputs else None
    if isinstance(file, RawFile):
        reader = "read_parquet" if file.is_parquet else "read_csv"
        view = [f"create or replace temp view {RAW_USERS} as from {reader}({_literal(pattern(file.path.resolve()))});"]
    return "\n".join([*view, *lines]) + ";\n"


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
