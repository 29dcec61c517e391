"""Recommendations evaluated: what the candidates let through, and what the lists made of them are worth.

Lists are held against what users came to like in the test period (`sql/recommendations`), and against a reference:
what lists made from candidates lack of lists made from every video is what the first stage costs.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import fsum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kraft import columns
from kraft.engine.own_ids import id_tables
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.ids import read_ids
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection, open_session, read_parquet
from kraft.engine.sql.sources import Parquet, Source
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.evaluation.intervals import CONFIDENCE, RESAMPLES, SEED, Floats, Resampled, Resamples
from kraft.evaluation.list_texts import METRICS, report_table
from kraft.settings import Settings

TABLES = ("catalogue", "interactions_train", "test_positives")
"""Tables of the work folder that `sql/recommendations` reads."""
TRUTH = "ground_truth"
CANDIDATE_CUTOFFS = (50, 100, 200, 500, 1000)
"""Numbers of candidates a user at which their recall is told."""

Row = dict[str, Any]


class ListsToEvaluate(NamedTuple):
    """Candidates and lists, and how they were made."""

    lists: Mapping[str, Path]
    """Name -> Parquet or CSV file with user_id, rank and item_id, in the order to show them; the last of several is
    the reference for the first."""
    candidates: Path | None
    """A Parquet file of all that the sources retrieve to users with a positive, with all ranks."""
    shares: Mapping[str, float]
    """Source -> share of the candidates."""
    top: int
    """Places of a list that count."""
    exclude_seen: bool
    """Whether the truth leaves out what a user has seen, as the lists do."""
    items: Path | None
    """A file of the videos that they were made from; None for the whole catalogue."""
    deepest: int | None = None
    """Up to how many candidates a user recall is told."""


def evaluate(settings: Settings, asked: ListsToEvaluate, engine: Callable[..., Builder]) -> tuple[dict[str, Any], str]:
    """Recall of the candidates by source, and metrics of several sets of lists.

    Args:
        settings: of the job.
        asked: what to evaluate.
        engine: the builder that runs `sql/recommendations`.

    Returns:
        The report: `top`, `exclude_seen`, `users` (with a positive), `positives`, `bootstrap`, `candidates` (None, or
        `cutoffs`, `shares`, `recall` and `added`: source -> a figure a cutoff; all together are the source union),
        `lists` (for each `name`, `metrics`: metric -> value, low, high; and the columns of `list_summary` and
        `exposure_metrics`) and `loss` (None, or `list`, `reference`, and the NDCG that the first list lacks as
        `absolute` and `relative`: value, low, high). And the plain text.

    Raises:
        InputError: there is nothing to evaluate, no user has a positive, the candidates are only a part of what the
            sources retrieve, or a list holds a video twice, one that is not in the catalogue, or ranks other than
            1, 2, 3 and so on.

    Memory: DuckDB's share of the limit, and 2 bytes a user and resample.
    """
    lists = {name: list_file(path) for name, path in asked.lists.items()}
    if not lists and asked.candidates is None:
        raise InputError(
            "no lists and no candidates are given to evaluate", "Name at least one file of recommendations."
        )
    store = Store(settings.work)
    given = [path for path in (asked.candidates, asked.items, *asked.lists.values()) if path is not None]
    sources: dict[str, Source] = {name: Parquet(store.table(name)) for name in TABLES}
    parameters = {
        "top": asked.top,
        "exclude_seen": asked.exclude_seen,
        "cutoffs": [cutoff for cutoff in CANDIDATE_CUTOFFS if cutoff <= (asked.deepest or cutoff)],
    }
    with (
        store.scratch() as folder,
        open_session(Budget(settings.memory_limit), settings.threads, store.tmp, given) as connection,
    ):
        if asked.items is not None:
            sources["catalogue"] = _only(store, asked.items, connection, folder, settings.threads)
        evaluator = ListEvaluator(connection, sources, folder, settings.threads, parameters, engine)
        candidates = None
        if asked.candidates is not None:
            candidates = evaluator.candidates(asked.candidates, asked.shares)
        evaluated = {name: evaluator.evaluate(name, source) for name, source in lists.items()}
        loss = _loss(evaluated)
        if loss:
            loss["overlap"] = evaluator.overlap(lists[loss["list"]], lists[loss["reference"]])
    report = {
        "top": parameters["top"],
        "exclude_seen": parameters["exclude_seen"],
        "users": evaluator.users,
        "positives": evaluator.positives,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "confidence": CONFIDENCE},
        "candidates": candidates,
        "lists": [one.to_json(name) for name, one in evaluated.items()],
        "loss": loss,
    }
    return report, report_table(report)


def _only(store: Store, items: Path, connection: Connection, folder: Path, threads: int) -> Parquet:
    """The catalogue with the videos of a user's file only."""
    given = read_ids(items, columns.ITEM_ID, connection, folder, threads, id_tables(store))
    table = pq.read_table(store.table("catalogue"))
    written = folder / "catalogue.parquet"
    pq.write_table(table.filter(pc.is_in(table[columns.ITEM_ID], pa.array(given.ids))), written)
    return Parquet(written)


def list_file(path: Path) -> RawFile:
    """A file of recommendations: user_id, rank from 1, and item_id.

    Raises:
        InputError: it is missing, unreadable, or lacks a column.
    """
    source = RawFile(path, {columns.USER_ID: "INTEGER", "rank": "INTEGER", columns.ITEM_ID: "INTEGER"})
    try:
        source.check_header()
    except InputError as error:
        raise InputError(error.problem, "Give a Parquet file with the columns user_id, rank and item_id.") from None
    return source


@dataclass(frozen=True, eq=False)
class ListMetrics:
    """What is known of one set of lists."""

    metrics: Mapping[str, Resampled]
    """Each of `METRICS`, a mean over the users with a positive."""
    facts: Row
    """The rows of `list_summary` and `exposure_metrics`."""

    def to_json(self, name: str) -> Row:
        found = {metric: resampled.estimate().to_json() for metric, resampled in self.metrics.items()}
        return {"name": name, "metrics": found, **self.facts}


@dataclass
class ListEvaluator:
    """Evaluates candidates and sets of lists against one truth, one after the other, all on the same resamples.

    Raises:
        InputError: no user has a positive.
    """

    connection: Connection
    sources: dict[str, Source]
    """The `TABLES`; the truth joins them."""
    scratch: Path
    """Folder for the tables of one set of lists at a time."""
    threads: int
    parameters: Mapping[str, Any]
    """`top`, `exclude_seen` and `cutoffs`."""
    engine: Callable[..., Builder] = Builder
    """Runs `sql/recommendations`."""
    positives: int = field(init=False)
    users: int = field(init=False)
    """Users with a positive."""
    resamples: Resamples = field(init=False)

    def __post_init__(self) -> None:
        truth = self._builder("truth", {}).ensure(TRUTH)
        self.sources[TRUTH] = Parquet(truth)
        counted = read_parquet(self.connection, truth).aggregate("count(*), count(distinct user_id)")
        ((self.positives, self.users),) = counted.fetchall()
        if not self.users:
            raise InputError(
                "no test user has a positive pair that a list could hold, so there is nothing to evaluate",
                "Lower --positive-threshold or --train-fraction, or keep seen videos, then rerun.",
            )
        self.resamples = Resamples(self.users, self.scratch)

    def candidates(self, path: Path, shares: Mapping[str, float]) -> Row:
        """Recall of the candidates, by source and cutoff.

        Raises:
            InputError: the file holds less than the whole lists of the sources.
        """
        table = self.scratch / "shares.parquet"
        pq.write_table(
            pa.table({"source": list(shares), "share": pa.array(map(float, shares.values()), pa.float64())}), table
        )
        with self._set({"candidates": Parquet(path), "source_shares": Parquet(table)}) as builder:
            (faults,) = self._rows(builder, "candidate_violations")
            if faults["partial"]:
                raise InputError(
                    f"candidates {path}: of {faults['partial']:,} users only a part of a source's list is there",
                    "Write the whole union of the sources' lists, with their ranks.",
                )
            rows = self._rows(builder, "candidate_recalls")
        cutoffs = sorted({row["cutoff"] for row in rows})
        cells = {(row["source"], row["cutoff"]): row for row in rows}
        return {
            "cutoffs": cutoffs,
            "shares": dict(shares),
            "recall": {name: [cells[name, at]["recall"] for at in cutoffs] for name in ("union", *shares)},
            "added": {name: [cells[name, at]["added"] for at in cutoffs] for name in shares},
        }

    def evaluate(self, name: str, lists: RawFile) -> ListMetrics:
        """Everything about one set of lists.

        Raises:
            InputError: these are no lists; says what is wrong with how many rows.
        """
        with self._set({"recommendations": lists}) as builder:
            (faults,) = self._rows(builder, "list_violations")
            self._check(f"recommendations {name}, {lists.path}", faults)
            (facts,) = self._rows(builder, "list_summary")
            (exposure,) = self._rows(builder, "exposure_metrics")
            found = read_parquet(self.connection, builder.ensure("list_metrics")).order("user_id").fetchnumpy()
        metrics = {metric: np.asarray(found[metric], dtype=np.float64) for metric in METRICS}
        return ListMetrics({metric: self._mean(values) for metric, values in metrics.items()}, facts | exposure)

    def overlap(self, lists: RawFile, reference: RawFile) -> float | None:
        """Mean share of the reference's videos that the lists have too."""
        with self._set({"recommendations": lists, "reference": reference}) as builder:
            (found,) = self._rows(builder, "list_overlap")
        return None if found["overlap"] is None else float(found["overlap"])

    def _mean(self, values: Floats) -> Resampled:
        return Resampled(fsum(values) / len(values), self.resamples.means(values))

    @staticmethod
    def _check(what: str, faults: Row) -> None:
        words = {
            "incomplete": "rows lack a user, a rank or a video",
            "repeated": "videos stand more than once in a list",
            "misplaced": "users have ranks other than 1, 2, 3 and so on",
            "unknown": "rows name a video that the catalogue lacks",
        }
        wrong = [f"{faults[kind]:,} {text}" for kind, text in words.items() if faults[kind]]
        if wrong:
            raise InputError(f"{what}: {', '.join(wrong)}", "Make the lists again with python -m jobs.recommend.")

    def _rows(self, builder: Builder, table: str) -> list[Row]:
        """A small table."""
        relation = read_parquet(self.connection, builder.ensure(table))
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def _builder(self, folder: str, more: Mapping[str, Source]) -> Builder:
        return self.engine(
            self.connection,
            Store(self.scratch / folder),
            {**self.sources, **more},
            self.parameters,
            Progress(-1),
            threads=self.threads,
        )

    @contextmanager
    def _set(self, more: Mapping[str, Source]) -> Iterator[Builder]:
        """A builder whose tables last as long as the block."""
        try:
            yield self._builder("set", more)
        finally:
            shutil.rmtree(self.scratch / "set", ignore_errors=True)


def _loss(evaluated: Mapping[str, ListMetrics]) -> Row | None:
    """The NDCG that the first lists lack of the last; None without two."""
    if len(evaluated) < len(("first", "last")):
        return None
    first, *_, last = evaluated
    less, most = (evaluated[name].metrics["ndcg"] for name in (first, last))
    absolute = most.minus(less)
    value = absolute.value / most.value if absolute.value is not None and most.value else None
    draws = np.full(len(most.draws), np.nan)
    np.divide(most.draws - less.draws, most.draws, out=draws, where=most.draws > 0)
    return {
        "list": first,
        "reference": last,
        "absolute": absolute.to_json(),
        "relative": Resampled(value, draws).estimate().to_json(),
    }
