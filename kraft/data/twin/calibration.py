"""Holds a finished twin against KuaiRec's own statistics.

The files are read back the way a user's are: through their contracts and the files of `sql/`. Targets are the
figures of KuaiRec's documentation and of published runs on the real files; what depends on the size of the
twin (rows, counts a user or a video) is scaled to it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kraft.data.contracts import resolve
from kraft.engine.budget import Budget
from kraft.engine.builder import Builder
from kraft.engine.progress import Progress
from kraft.engine.session import open_session
from kraft.engine.store import Store

TABLES = (
    "split",
    "interactions",
    "interactions_train",
    "interactions_test",
    "test_positives",
    "video_metadata",
)
RATIO_BY_DURATION = {
    3.5: 3.09, 5.3: 2.06, 8.0: 1.49, 10.7: 1.14, 14.0: 0.91, 21.0: 0.57, 33.0: 0.37, 57.0: 0.21, 115.0: 0.11,
}  # fmt: skip
"""Length [s] -> 80th percentile of the watch ratio."""
POSITIVES_BY_RANK = {1: 1_246, 11: 1_119, 51: 934, 101: 742, 201: 442, 301: 288, 501: 90, 1_001: 42}
"""Rank of a video by its test positives -> their number, with 1,411 users and 3,327 videos."""
LIKED_RANKS = range(1, 302)
"""Ranks that the cold videos fill."""
FULL_USERS, FULL_ITEMS = 1_411, 3_327


@dataclass(frozen=True)
class Statistic:
    """One calibrated figure; `tolerance` is relative to the target, absolute where that is 0."""

    name: str
    target: float
    actual: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return abs(self.actual - self.target) <= self.tolerance * (abs(self.target) or 1)

    def line(self) -> str:
        verdict = "ok" if self.ok else "OFF"
        return (
            f"{self.name:<44} {_figure(self.target):>14} {_figure(self.actual):>14} {self.tolerance:>9.0%} {verdict:>8}"
        )


HEADER = f"{'statistic':<44} {'target':>14} {'actual':>14} {'tolerance':>9} {'verdict':>8}"


def calibrate(folder: Path, scratch: Path, budget: Budget, threads: int) -> list[Statistic]:
    """Every calibrated statistic of the twin in ``folder``; tables are built below ``scratch``."""
    small = _tables(folder, "small", scratch / "small", budget, threads)
    big = _tables(folder, "big", scratch / "big", budget, threads, only=("interactions",))
    _, extras = resolve(folder, "small")
    daily = extras["raw_item_daily_features"].path
    log = pl.scan_parquet(small["interactions"])
    n_users, n_items = (log.select(pl.col(key).n_unique()).collect().item() for key in ("user_id", "item_id"))
    return [
        *_size(log, n_users, n_items),
        *_watching(log),
        *_split(small, n_users, n_items),
        *_truth(small, n_users, n_items),
        *_side_tables(small["video_metadata"], daily),
        *_big(big["interactions"], log),
    ]


def _tables(
    folder: Path, matrix: str, work: Path, budget: Budget, threads: int, only: tuple[str, ...] = TABLES
) -> dict[str, Path]:
    store = Store(work)
    inputs, _ = resolve(folder, matrix)
    settings = {"positive_threshold": 1.0, "train_fraction": 0.8, "null_timestamps": "last"}
    with open_session(budget, threads, store.tmp) as connection:
        builder = Builder(connection, store, inputs, settings, Progress(-1), threads=threads)
        return {name: builder.ensure(name) for name in only}


def _figures(frame: pl.LazyFrame, **named: pl.Expr) -> dict[str, float]:
    row = frame.select(**named).collect(engine="streaming").row(0, named=True)
    return {name: float(value) for name, value in row.items()}


def _counts(frame: pl.LazyFrame, key: str) -> npt.NDArray[np.float64]:
    """Rows of each value of ``key``."""
    return frame.group_by(key).agg(n=pl.len()).collect()["n"].cast(pl.Float64).to_numpy()


def _size(log: pl.LazyFrame, n_users: int, n_items: int) -> list[Statistic]:
    found = _figures(log, rows=pl.len(), untimed=pl.col("timestamp").is_null().mean())
    return [
        Statistic("observed share of all pairs", 0.996, found["rows"] / (n_users * n_items), 0.002),
        Statistic("rows without a time, share", 0.0389, found["untimed"], 0.08),
    ]


def _watching(log: pl.LazyFrame) -> list[Statistic]:
    ratio, length = pl.col("watch_ratio"), pl.col("video_duration")
    found = _figures(
        log,
        positive=(ratio >= 1).mean(),
        **{f"ratio {q}": ratio.quantile(q) for q in (0.25, 0.5, 0.75, 0.99)},
        least=ratio.min(),
        most=ratio.max(),
        **{f"length {q}": length.quantile(q) for q in (0.25, 0.5, 0.75)},
        mean=length.mean(),
        shortest=length.min(),
        watched=pl.col("play_duration").median(),
    )
    targets = {0.25: 0.468, 0.5: 0.769, 0.75: 1.12, 0.99: 3.585}
    lengths = {0.25: 7_523, 0.5: 9_600, 0.75: 11_934}
    statistics = [
        Statistic("watch_ratio >= 1, share", 0.323966, found["positive"], 0.05),
        *(Statistic(f"watch_ratio, quantile {q}", t, found[f"ratio {q}"], 0.08) for q, t in targets.items()),
        Statistic("watch_ratio, least", 0, found["least"], 0.0),
        # The largest of millions of draws from a heavy tail, cut at KuaiRec's own.
        Statistic("watch_ratio, most", 571.5, found["most"], 0.5),
        *(Statistic(f"video_duration, quantile {q} [ms]", t, found[f"length {q}"], 0.08) for q, t in lengths.items()),
        Statistic("video_duration, mean [ms]", 14_486, found["mean"], 0.15),
        Statistic("video_duration, least [ms]", 3_067, found["shortest"], 0.35),
        Statistic("play_duration, median [ms]", 7_500, found["watched"], 0.08),
    ]
    for seconds, target in RATIO_BY_DURATION.items():
        near = log.filter(length.is_between(900 * seconds, 1_100 * seconds))
        at = _figures(near, rows=pl.len(), top=ratio.quantile(0.8).fill_null(0))
        # A few videos make a figure of their own taste, not of their length.
        if at["rows"] >= 5_000:
            statistics.append(Statistic(f"watch_ratio, 80th percentile at {seconds} s", target, at["top"], 0.2))
    return statistics


def _split(tables: dict[str, Path], n_users: int, n_items: int) -> list[Statistic]:
    train = pl.scan_parquet(tables["interactions_train"])
    share, users = n_items / FULL_ITEMS, n_users / FULL_USERS
    by_user, by_item, by_day = (_counts(train, key) for key in ("user_id", "item_id", "date"))
    positive = _figures(train, share=pl.col("positive_interaction").mean())["share"]
    return [
        Statistic("train: videos", round(2_993 * share), len(by_item), 0.002),
        Statistic("train: positive share", 0.3279, positive, 0.05),
        Statistic("train: days", 45, len(by_day), 0.03),
        Statistic("train: interactions a day, mean", 83_139 * users * share, by_day.mean(), 0.05),
        Statistic("train: interactions a day, most", 134_993 * users * share, by_day.max(), 0.3),
        Statistic("train: interactions a user, least", 2_139 * share, by_user.min(), 0.2),
        Statistic("train: interactions a user, mean", 2_651.5 * share, by_user.mean(), 0.01),
        Statistic("train: interactions a user, most", 2_848 * share, by_user.max(), 0.05),
        Statistic("train: interactions a video, mean", 1_250 * users, by_item.mean(), 0.01),
        Statistic("train: interactions a video, most", 1_411 * users, by_item.max(), 0.03),
    ]


def _truth(tables: dict[str, Path], n_users: int, n_items: int) -> list[Statistic]:
    positives = pl.scan_parquet(tables["test_positives"])
    by_user, by_item = (_counts(positives, key) for key in ("user_id", "item_id"))
    share, users = n_items / FULL_ITEMS, n_users / FULL_USERS
    ranked = np.sort(by_item)[::-1]
    statistics = [
        Statistic("test: positive pairs", 288_319 * users * share, by_user.sum(), 0.08),
        Statistic("test: positives a user, mean", 204 * share, by_user.mean(), 0.08),
        Statistic("test: positives a user, median", 193 * share, float(np.median(by_user)), 0.12),
        Statistic("test: positives a user, most", 660 * share, by_user.max(), 0.4),
    ]
    for rank, target in POSITIVES_BY_RANK.items():
        place = round((rank - 1) * share)
        # Item by item, so the curve moves with a few videos' luck; its end is the warm videos, of which KuaiRec
        # has fewer liked ones.
        tolerance = 0.6 if rank <= max(LIKED_RANKS) else 1.0
        statistics.append(
            Statistic(f"test: positives of video {rank}", target * users, float(ranked[place]), tolerance)
        )
    return statistics


def _side_tables(videos: Path, daily: Path) -> list[Statistic]:
    categories = _figures(
        pl.scan_parquet(videos), mean=pl.col("num_categories").mean(), most=pl.col("num_categories").max()
    )
    scan = pl.scan_parquet(daily) if daily.suffix == ".parquet" else pl.scan_csv(daily)
    keys = scan.select("video_id", "date").group_by("video_id", "date").agg(n=pl.len())
    shared = _figures(keys, share=pl.col("n").filter(pl.col("n") > 1).sum() / pl.col("n").sum())["share"]
    return [
        Statistic("categories a video, mean", 1.183, categories["mean"], 0.03),
        Statistic("categories a video, most", 4, categories["most"], 0.25),
        Statistic("daily rows that share their key, share", 226_111 / 343_341, shared, 0.05),
    ]


def _big(big: Path, small: pl.LazyFrame) -> list[Statistic]:
    log = pl.scan_parquet(big)
    found = _figures(
        log,
        rows=pl.len(),
        written=pl.col("copies").sum(),
        users=pl.col("user_id").n_unique(),
        items=pl.col("item_id").n_unique(),
    )
    pairs = log.select("user_id", "item_id").unique().select(pl.len()).collect(engine="streaming").item()
    users, items = (small.select(pl.col(key).unique()).collect()[key].implode() for key in ("user_id", "item_id"))
    inside = pl.col("user_id").is_in(users) & pl.col("item_id").is_in(items)
    leaked = _figures(log.filter(inside), pairs=pl.len())["pairs"]
    copies = 1 - found["rows"] / found["written"]
    a_user = 12_530_806 / 7_176 * found["items"] / 10_728
    return [
        Statistic("big_matrix: exact duplicates, share", 968_004 / 12_530_806, copies, 0.05),
        Statistic("big_matrix: rows a user", a_user, found["written"] / found["users"], 0.06),
        Statistic("big_matrix: rows a distinct pair (re-watches)", 1.1, found["rows"] / pairs, 0.25),
        Statistic("big_matrix: pairs of small_matrix", 0, leaked, 0.0),
    ]


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
