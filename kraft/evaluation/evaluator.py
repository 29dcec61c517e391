"""The metrics of one set of scores: over the users as they are, and over every resample of them."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kraft import columns
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.raw_file import RawFile
from kraft.engine.sql.session import Connection, read_parquet
from kraft.engine.sql.sources import Parquet, Source
from kraft.engine.workspace.store import Store
from kraft.errors import InputError
from kraft.evaluation.baselines import GivenScores, Scores
from kraft.evaluation.intervals import Counts, Estimate, Floats, Resampled, Resamples, aucs, cell_of
from kraft.evaluation.ranking import SUBSETS, RankingReport, from_rows

BASE_TABLES = (
    "interactions",
    "interactions_test",
    "item_counts",
    "item_index",
    "test_positives",
    "user_counts",
    "video_metadata",
)
"""Tables of the work folder that `sql/evaluation` reads, where it is asked for everything."""

MEASURED_CUTOFFS = (10, 50)
"""Cutoffs that `user_summary` reads, whatever the report shows."""

USER_METRICS = {
    "ndcg@10": "ndcg_10",
    "ndcg@50": "ndcg_50",
    "precision@10": "precision_10",
    "recall@50": "recall_50",
    "ndcg@10 warm items": "warm_ndcg_10",
    "ndcg@10 cold items": "cold_ndcg_10",
}
"""Metrics that are means over users, and their columns in `user_summary`."""

LOW_ACTIVITY_NDCG = "ndcg@10 low-activity users"
LOW_ACTIVITY_AUC = "auc low-activity users"
AUC_METRICS = {"all": "auc", "warm items": "auc warm items", "cold items": "auc cold items"}
"""Names of the AUC over each of `SUBSETS`."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class ScoreSetMetrics:
    """What is known of one set of scores."""

    report: RankingReport
    """At the cutoffs that were asked for."""
    metrics: Mapping[str, Resampled]
    low_activity_auc: Mapping[str, Any]
    """The row of `low_activity_auc`."""
    user_ndcg: Floats
    """NDCG@10 of each user, by id; NaN if the user has no positive."""
    low_activity: NDArray[np.bool_]
    """Whether each user is of the least active quarter."""
    calibration: dict[str, Any] | None
    """The row of `calibration` and, as `bins`, those of `calibration_bins`; None for scores outside 0 to 1."""
    least: float
    """The least score."""
    greatest: float

    def estimates(self) -> dict[str, Estimate]:
        """Every metric with its interval; the AUC of the least active users without."""
        found = {name: metric.estimate() for name, metric in self.metrics.items()}
        return found | {LOW_ACTIVITY_AUC: Estimate(self.low_activity_auc["auc"])}


@dataclass
class Evaluator:
    """Evaluates score sets against the test pairs of one work folder, each on the same resamples."""

    connection: Connection
    sources: Mapping[str, Parquet]
    """The `BASE_TABLES` that are there."""
    scratch: Path
    """Folder for the tables of one score set at a time."""
    threads: int
    cutoffs: Sequence[int]
    engine: Callable[..., Builder] = Builder
    """Runs `sql/evaluation`."""
    _resamples: dict[int, Resamples] = field(default_factory=dict)

    @cached_property
    def shared(self) -> Builder:
        """Builds what does not depend on the scores."""
        return self._builder("shared", {})

    def check(self, name: str, scores: Scores) -> tuple[float, float]:
        """The least and the greatest score, once there is one finite score for each test pair.

        Of scores that were made here, of the test pairs, only their range is looked at: to hold all pairs of one set
        against those of another takes a fifth of the time of all that is computed of a score set.

        Raises:
            InputError: there is not; says how many pairs or scores are wrong.
        """
        faults = "score_violations" if isinstance(scores, RawFile | GivenScores) else "score_range"
        with self._set("check", {"scores": scores}) as builder:
            (found,) = self.rows(builder, faults)
        words = {
            "missing": f"of {found.get('test_pairs', 0):,} test pairs have no score",
            "surplus": "scored pairs are no test pairs",
            "repeated": "pairs are scored more than once",
            "not_finite": "scores are no finite numbers",
        }
        wrong = [f"{found[kind]:,} {what}" for kind, what in words.items() if found.get(kind)]
        if wrong:
            path = scores.origin if isinstance(scores, GivenScores) else scores.path
            raise InputError(f"score set {name}, {path}: {', '.join(wrong)}", "Score each test pair once.")
        # Without any test pair there is no score either; the report says so.
        return float(found["least"] or 0), float(found["greatest"] or 0)

    def same_pairs(self, first: str, second: str, scores: Mapping[str, Scores]) -> None:
        """Make sure that two score sets hold the same pairs.

        Raises:
            InputError: they do not; says how many pairs only one of them holds.
        """
        # The one takes the place of the test pairs that the other is held against.
        with self._set("check", {"scores": scores[first], "interactions_test": scores[second]}) as builder:
            (found,) = self.rows(builder, "score_violations")
        if found["surplus"] or found["missing"]:
            raise InputError(
                f"{first} and {second} do not score the same pairs: {found['surplus']:,} only in {first}, "
                f"{found['missing']:,} only in {second}",
                "Score the same test pairs with both.",
            )

    def evaluate(self, name: str, scores: Scores) -> ScoreSetMetrics:
        """Everything about one score set."""
        least, greatest = self.check(name, scores)
        low = Parquet(self.shared.ensure("low_activity_users"))
        with self._set("set", {"scores": scores, "low_activity_users": low}) as builder:
            report = self._report(builder)
            users = read_parquet(self.connection, builder.ensure("user_summary")).order("user_id").fetchnumpy()
            values = {metric: _floats(users[column]) for metric, column in USER_METRICS.items()}
            low_activity = np.asarray(users["low_activity"], dtype=np.bool_)
            values[LOW_ACTIVITY_NDCG] = np.where(low_activity, values["ndcg@10"], np.nan)
            ids = np.asarray(users[columns.USER_ID])
            resamples = self._resamples_of(len(ids))
            metrics = {metric: Resampled(_mean(known), resamples.means(known)) for metric, known in values.items()}
            binned = aucs(resamples.histograms(_user_bins(builder.ensure("user_bins"), ids)))
            exact = {subset.subset: subset.auc for subset in report.subsets}
            metrics |= {AUC_METRICS[subset]: Resampled(exact[subset], binned[subset]) for subset in SUBSETS}
            return ScoreSetMetrics(
                report,
                metrics,
                self.rows(builder, "low_activity_auc")[0],
                values["ndcg@10"],
                low_activity,
                self._calibration(builder) if least >= 0 and greatest <= 1 else None,
                least,
                greatest,
            )

    # --- tables -------------------------------------------------------------------------------

    def rows(self, builder: Builder, table: str) -> Rows:
        """A small table."""
        relation = read_parquet(self.connection, builder.ensure(table))
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def _resamples_of(self, users: int) -> Resamples:
        if users not in self._resamples:
            self._resamples[users] = Resamples(users, self.scratch)
        return self._resamples[users]

    def _report(self, builder: Builder) -> RankingReport:
        at_cutoffs = [row for row in self.rows(builder, "ranking_metrics") if row["cutoff"] in self.cutoffs]
        return from_rows(at_cutoffs, self.rows(builder, "score_auc"))

    def _calibration(self, builder: Builder) -> dict[str, Any]:
        return {**self.rows(builder, "calibration")[0], "bins": self.rows(builder, "calibration_bins")}

    def _builder(self, folder: str, more: Mapping[str, Source]) -> Builder:
        parameters = {"cutoffs": sorted({*self.cutoffs, *MEASURED_CUTOFFS})}
        return self.engine(
            self.connection,
            Store(self.scratch / folder),
            {**self.sources, **more},
            parameters,
            Progress(-1),
            threads=self.threads,
        )

    @contextmanager
    def _set(self, folder: str, more: Mapping[str, Source]) -> Iterator[Builder]:
        """A builder whose tables last as long as the block."""
        try:
            yield self._builder(folder, more)
        finally:
            shutil.rmtree(self.scratch / folder, ignore_errors=True)


def _user_bins(path: Path, ids: NDArray[Any]) -> Iterator[Counts]:
    """`user_bins` in parts, with the users numbered as in ``ids``."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            found = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in batch.schema.names}
            users = np.searchsorted(ids, found[columns.USER_ID])
            cells = cell_of(*(found[name].astype(np.int64) for name in ("bin", "warm", columns.POSITIVE_INTERACTION)))
            yield users, cells, found["pairs"].astype(np.int64)


def _floats(column: Any) -> Floats:  # noqa: ANN401 - a masked array where a value is NULL
    return np.asarray(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan))


def _mean(values: Floats) -> float | None:
    """Mean of those that are not NaN, correctly rounded; None without any."""
    known = values[~np.isnan(values)]
    return fsum(known) / len(known) if len(known) else None
