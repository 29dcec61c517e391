"""Compares synthetic data with KuaiRec's own statistics.

The files are read back the way a user's are: through their contracts and the files of `sql/`. Targets are the
figures of KuaiRec's documentation and of published runs on the real files; what depends on the size of the
data (rows, counts a user or a video) is scaled to it.

Tolerances are for the full size, some two to three times what differs from seed to seed there. Smaller data has fewer
users and videos to average over, so its tolerances grow with the square root of what it lacks.
"""

from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kraft.engine import frames
from kraft.engine.process.memory import Budget
from kraft.engine.process.progress import Progress
from kraft.engine.sql.builder import Builder
from kraft.engine.sql.raw_file import RawFile, paths_of
from kraft.engine.sql.session import open_session
from kraft.engine.workspace.store import Store
from kraft.logs.contracts import resolve
from kraft.logs.synthetic.statistic import FULL_USERS, Scale, Statistic

TABLES = ("split", "interactions", "interactions_train", "test_positives", "video_metadata")
RATIO_QUANTILES = {0.25: (0.468, 0.05), 0.5: (0.769, 0.07), 0.75: (1.12, 0.06), 0.99: (3.585, 0.06)}
"""Share -> quantile of the watch ratio, tolerance."""
RATIO_BY_DURATION = {
    3.5: (3.09, 0.15), 5.3: (2.06, 0.1), 8.0: (1.49, 0.1), 10.7: (1.14, 0.08), 14.0: (0.91, 0.08), 21.0: (0.57, 0.25),
    33.0: (0.37, 0.25), 57.0: (0.21, 0.25), 115.0: (0.11, 0.25),
}  # fmt: skip
"""Length [s] -> 80th percentile of the watch ratio, tolerance. Few videos are long, and show their own appeal."""
LEAST_VIDEOS = 10
"""With fewer videos near a length, the percentile shows their own appeal and is left out."""
DURATIONS = {0.0: 3_067, 0.25: 7_523, 0.5: 9_600, 0.75: 11_934, 1.0: 315_072}
"""Share -> quantile of the video durations [ms]."""
POSITIVES_BY_RANK = {
    1: (1_246, 0.12), 11: (1_119, 0.12), 51: (934, 0.2), 101: (742, 0.2), 201: (442, 0.2), 301: (288, 0.2),
    501: (90, 0.4), 1_001: (42, 0.25), 2_001: (10, 0.4),
}  # fmt: skip
"""Rank of a video by its test positives -> their number, tolerance. Rank 501 lies on the edge between the cold videos,
hundreds of rows each, and the warm ones, some tens."""
BIG_USERS, BIG_ITEMS, BIG_ROWS = 7_176, 10_728, 12_530_806


def calibrate(folder: Path, scratch: Path, budget: Budget, threads: int) -> list[Statistic]:
    """Every calibrated statistic of the synthetic data in ``folder``; tables are built below ``scratch``."""
    small = _tables(folder, "small", scratch / "small", budget, threads, TABLES)
    big = _tables(folder, "big", scratch / "big", budget, threads, ("interactions",))
    inputs, extras = resolve(folder, "small")
    daily = extras["raw_item_daily_features"]
    assert isinstance(daily, RawFile)  # noqa: S101 - synthetic data has all files
    log = frames.scan_parquet(small["interactions"])
    scale = Scale(*(log.select(pl.col(key).n_unique()).collect().item() for key in ("user_id", "item_id")))
    return [
        *_size(log, inputs["raw_interactions"].path, scale),
        *_watching(log, scale),
        *_split(frames.scan_parquet(small["interactions_train"]), scale),
        *_truth(frames.scan_parquet(small["test_positives"]), scale),
        *_users(inputs["raw_user_features"].path),
        *_videos(frames.scan_parquet(small["video_metadata"]), daily.path),
        *_big(frames.scan_parquet(big["interactions"]), log),
    ]


def _tables(
    folder: Path, matrix: str, work: Path, budget: Budget, threads: int, names: tuple[str, ...]
) -> dict[str, Path]:
    store = Store(work)
    inputs, _ = resolve(folder, matrix)
    settings = {"positive_threshold": 1.0, "train_fraction": 0.8, "test_from": 0.0, "null_timestamps": "last"}
    with open_session(budget, threads, store.tmp, paths_of(inputs.values())) as connection:
        builder = Builder(connection, store, inputs, settings, Progress(-1), threads=threads)
        return {name: builder.ensure(name) for name in names}


def _figures(frame: pl.LazyFrame, **named: pl.Expr) -> dict[str, float]:
    row = frame.select(**named).collect(engine="streaming").row(0, named=True)
    return {name: float(value) for name, value in row.items()}


def _counts(frame: pl.LazyFrame, key: str) -> npt.NDArray[np.float64]:
    """Rows of each value of ``key``."""
    return frame.group_by(key).agg(n=pl.len()).collect(engine="streaming")["n"].cast(pl.Float64).to_numpy()


def _few(full: float, actual: float) -> float:
    """How much further a mean over ``actual`` of KuaiRec's ``full`` users, videos or rows may be off."""
    return sqrt(max(full / actual, 1.0))


def _scan(path: Path) -> pl.LazyFrame:
    return frames.scan_parquet(path) if path.suffix == ".parquet" else frames.scan_csv(path, infer_schema_length=None)


def _size(log: pl.LazyFrame, raw: Path, scale: Scale) -> list[Statistic]:
    found = _figures(log, rows=pl.len(), first=pl.col("date").min(), last=pl.col("date").max())
    timed = pl.col("timestamp").is_not_null()
    same = pl.col("user_id") == pl.col("user_id").shift()
    order = _figures(
        _scan(raw).select("user_id", "timestamp"),
        untimed=(~timed).mean(),
        # Of one user, a row with a time after one without: KuaiRec's untimed rows are the last of each.
        astray=(same & timed & ~timed.shift()).sum(),
        unsorted=(same & (pl.col("timestamp") < pl.col("timestamp").shift())).sum(),
    )
    return [
        Statistic("small_matrix: rows", 4_676_570 * scale.pairs, found["rows"], 0.001 * scale.few_items),
        Statistic("first day", 20_200_704, found["first"], exact=1 if scale.pairs < 1 else 0),
        Statistic("last day", 20_200_905, found["last"], exact=0),
        Statistic("rows without a time, share", 181_992 / 4_676_570, order["untimed"], 0.03 * scale.few_items),
        Statistic("timed rows after an untimed one of their user", 0, order["astray"], exact=0),
        Statistic("rows earlier than the one before of their user", 0, order["unsorted"], exact=0),
    ]


def _watching(log: pl.LazyFrame, scale: Scale) -> list[Statistic]:
    ratio, length = pl.col("watch_ratio"), pl.col("video_duration")
    found = _figures(
        log,
        positive=(ratio >= 1).mean(),
        **{f"ratio {q}": ratio.quantile(q) for q in RATIO_QUANTILES},
        least=ratio.min(),
        most=ratio.max(),
        **{f"length {q}": length.quantile(q) for q in DURATIONS},
        mean=length.mean(),
        watched=pl.col("play_duration").median(),
    )
    loose = scale.few_items
    statistics = [
        Statistic("watch_ratio >= 1, share", 0.323966, found["positive"], 0.02 * loose),
        *(
            Statistic(f"watch_ratio, quantile {q}", target, found[f"ratio {q}"], tolerance * loose)
            for q, (target, tolerance) in RATIO_QUANTILES.items()
        ),
        Statistic("watch_ratio, least", 0, found["least"], exact=0),
        # The largest of some draws from a heavy tail that ends at the target.
        Statistic("watch_ratio, most", 571.5, found["most"], 0.3 if scale.pairs > 0.5 else 0.9),
        Statistic("play_duration, median [ms]", 7_500, found["watched"], 0.06 * loose),
        *(
            Statistic(f"video_duration, quantile {q} [ms]", target, found[f"length {q}"], 0.01 * loose)
            for q, target in DURATIONS.items()
        ),
        Statistic("video_duration, mean [ms]", 14_486, found["mean"], 0.01 * loose),
    ]
    for seconds, (target, tolerance) in RATIO_BY_DURATION.items():
        near = log.filter(length.is_between(900 * seconds, 1_100 * seconds))
        at = _figures(near, videos=pl.col("item_id").n_unique(), top=ratio.quantile(0.8).fill_null(0))
        if at["videos"] >= LEAST_VIDEOS:
            name = f"watch_ratio, 80th percentile at {seconds} s"
            statistics.append(Statistic(name, target, at["top"], tolerance * loose))
    return statistics


def _split(train: pl.LazyFrame, scale: Scale) -> list[Statistic]:
    by_user, by_item, by_day = (_counts(train, key) for key in ("user_id", "item_id", "date"))
    positive = _figures(train, share=pl.col("positive_interaction").mean())["share"]
    quietest = 8 * scale.pairs
    # How few rows the quietest day and the rarest video have is a matter of some rows, whatever the size; where it is a
    # row or two, the quietest day may have none, and the least is that of another day.
    quiet = [Statistic("train: interactions a day, least", quietest, by_day.min(), exact=10)] if quietest >= 5 else []
    return [
        Statistic("train: videos", round(2_993 * scale.items), len(by_item), exact=3),
        Statistic("train: positive share", 0.3279, positive, 0.025 * scale.few_items),
        Statistic("train: days", 45, len(by_day), exact=1),
        *quiet,
        Statistic("train: interactions a day, mean", 83_139 * scale.pairs, by_day.mean(), 0.03),
        Statistic("train: interactions a day, most", 134_993 * scale.pairs, by_day.max(), 0.15),
        Statistic(
            "train: interactions a user, least", 2_139 * scale.items, by_user.min(), 0.12 * sqrt(scale.few_users)
        ),
        Statistic("train: interactions a user, mean", 2_651.5 * scale.items, by_user.mean(), 0.002),
        Statistic("train: interactions a user, most", 2_848 * scale.items, by_user.max(), 0.02 * scale.few_items),
        Statistic("train: interactions a video, least", 1, by_item.min(), exact=12),
        Statistic("train: interactions a video, mean", 1_250 * scale.users, by_item.mean(), 0.005),
        Statistic("train: interactions a video, most", 1_411 * scale.users, by_item.max(), 0.01),
    ]


def _truth(positives: pl.LazyFrame, scale: Scale) -> list[Statistic]:
    by_user, by_item = (_counts(positives, key) for key in ("user_id", "item_id"))
    few = max(scale.few_items, scale.few_users)
    ranked = np.sort(by_item)[::-1]
    statistics = [
        Statistic("test: positive pairs", 288_319 * scale.pairs, by_user.sum(), 0.06 * scale.few_items),
        Statistic("test: users", FULL_USERS * scale.users, len(by_user), exact=1),
        Statistic("test: videos", 2_939 * scale.items, len(by_item), 0.1 * few),
        # The least and the most are single users, far out in the tail.
        Statistic("test: positives a user, least", 4 * scale.items, by_user.min(), exact=20 * scale.few_users),
        Statistic("test: positives a user, median", 193 * scale.items, float(np.median(by_user)), 0.06 * few),
        Statistic("test: positives a user, mean", 204 * scale.items, by_user.mean(), 0.06 * few),
        Statistic("test: positives a user, most", 660 * scale.items, by_user.max(), 0.3 * few),
    ]
    for rank, (target, tolerance) in POSITIVES_BY_RANK.items():
        index = round((rank - 1) * scale.items)
        # Below some ten positives, chance alone moves a figure by a third.
        if target * scale.users >= LEAST_VIDEOS:
            name = f"test: positives of video {rank:,}"
            statistics.append(Statistic(name, target * scale.users, float(ranked[index]), tolerance * few))
    return statistics


def _users(path: Path) -> list[Statistic]:
    feats = {f"onehot_feat{number}": 201 if number == 4 else 74.8 for number in (4, *range(12, 18))}
    found = _figures(
        _scan(path),
        rows=pl.len(),
        active=(pl.col("user_active_degree") == "full_active").mean(),
        authors=pl.col("is_video_author").mean(),
        **{name: pl.col(name).is_null().mean() for name in feats},
    )
    few = _few(BIG_USERS, found["rows"])
    return [
        Statistic("users: full_active, share", 6_092 / BIG_USERS, found["active"], 0.015 * few),
        Statistic("users: video authors, share", 1_217 / BIG_USERS, found["authors"], 0.1 * few),
        *(
            # Three to four standard deviations of a count of so many.
            Statistic(f"users: without {name}, share", missing / BIG_USERS, found[name], 3.5 / sqrt(missing) * few)
            for name, missing in feats.items()
        ),
    ]


def _videos(videos: pl.LazyFrame, daily: Path) -> list[Statistic]:
    found = _figures(
        videos,
        rows=pl.len(),
        mean=pl.col("num_categories").mean(),
        most=pl.col("num_categories").max(),
    )
    keys = _scan(daily).group_by("video_id", "date").agg(n=pl.len())
    days = _figures(keys, rows=pl.col("n").sum(), shared=pl.col("n").filter(pl.col("n") > 1).sum())
    few = _few(BIG_ITEMS, found["rows"])
    shared = days["shared"] / days["rows"]
    return [
        Statistic("categories a video, mean", 1.183, found["mean"], 0.015 * few),
        Statistic("categories a video, most", 4, found["most"], exact=0 if found["rows"] >= BIG_ITEMS else 1),
        Statistic("daily rows a video", 343_341 / BIG_ITEMS, days["rows"] / found["rows"], 0.03 * few),
        Statistic("daily rows that share their key, share", 226_111 / 343_341, shared, 0.03 * few),
    ]


def _big(log: pl.LazyFrame, small: pl.LazyFrame) -> list[Statistic]:
    found = _figures(
        log,
        rows=pl.len(),
        written=pl.col("copies").sum(),
        users=pl.col("user_id").n_unique(),
        items=pl.col("item_id").n_unique(),
    )
    users, items = (small.select(pl.col(key).unique()).collect()[key].implode() for key in ("user_id", "item_id"))
    leaked = _figures(log.filter(pl.col("user_id").is_in(users) & pl.col("item_id").is_in(items)), rows=pl.len())
    few = _few(BIG_ROWS, found["written"])
    copies = 1 - found["rows"] / found["written"]
    a_user = BIG_ROWS / BIG_USERS * found["items"] / BIG_ITEMS
    return [
        Statistic("big_matrix: rows a user", a_user, found["written"] / found["users"], 0.01 * few),
        Statistic("big_matrix: exact duplicates, share", 968_004 / BIG_ROWS, copies, 0.01 * few),
        Statistic("big_matrix: pairs of small_matrix", 0, leaked["rows"], exact=0),
    ]
