"""The documented pipeline in plain pandas, implicit and LightGBM, from raw files to the metrics.

What `jobs.benchmark preparation` (up to where training can start) and `peers` (all of it) measure KRAFT against, in two
styles:

    plain    whole files are read, table after table is joined on, then missing values are filled and categories
             made: the documented steps in their documented order
    careful  only the columns that are needed are read, side tables are cleaned while they are small, numbers are
             float32 or small integers from the start: what one writes after plain ran out of memory

It keeps what the documented pipeline keeps: interactions_train, interactions_test, test_positives, sample_submission
and video_metadata as Parquet, the factors as .npy, the model as text, submission.parquet and metrics.json. The
157-feature frames stay in memory, where `lightgbm.Dataset` takes them; KRAFT keeps them narrow on disk.

    python -m kraft.benchmark.peer --raw DIR --out DIR --threads 2 --style plain --rounds 1000

The last line of stdout is JSON: the seconds of each stage, and the shapes of the frames.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from sklearn.model_selection import train_test_split

LOG_COLUMNS = ["user_id", "video_id", "play_duration", "video_duration", "date", "timestamp", "watch_ratio"]
CATEGORICAL = ["user_active_degree", *(f"onehot_feat{number}" for number in range(18))]
NUMERICAL = [
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num",
    "fans_user_num",
    "friend_user_num",
    "register_days",
]
COUNTS = ["user_interaction_count", "item_interaction_count"]
FACTORS, REGULARIZATION, ITERATIONS, SEED = 64, 0.01, 20, 42
RANKER = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "max_bin": 128,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "lambda_l1": 0.1,
    "lambda_l2": 0.1,
    "seed": SEED,
    "verbosity": -1,
}
EARLY_STOPPING = 50
CUTOFFS = (10, 20, 50, 100, 500, 1000)


class Clock:
    """Seconds of each stage, from one `lap` to the next."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.stages[stage] = round(now - self._last, 3)
        self._last = now


def read(raw: Path, name: str, columns: list[str] | None) -> pd.DataFrame:
    """One raw file, Parquet or CSV; all of it where ``columns`` is None."""
    parquet = raw / f"{name}.parquet"
    if parquet.is_file():
        return pd.read_parquet(parquet, columns=columns)
    return pd.read_csv(raw / f"{name}.csv", usecols=columns)


def read_log(raw: Path, matrix: str, *, careful: bool) -> pd.DataFrame:
    """The interaction log with its label."""
    log = read(raw, f"{matrix}_matrix", LOG_COLUMNS if careful else None).rename(columns={"video_id": "item_id"})
    log["positive_interaction"] = log["watch_ratio"] >= 1.0
    return log


def read_videos(raw: Path) -> pd.DataFrame:
    """item_categories with the lists parsed."""
    videos = read(raw, "item_categories", None).rename(columns={"video_id": "item_id"})
    videos["feat"] = videos["feat"].map(json.loads)
    videos["num_categories"] = videos["feat"].str.len().astype("int16")
    return videos


def read_users(raw: Path, *, careful: bool) -> pd.DataFrame:
    """The users' attributes; careful: already imputed."""
    if not careful:
        return read(raw, "user_features", None)
    users = impute(read(raw, "user_features", ["user_id", *CATEGORICAL, *NUMERICAL]))
    users[NUMERICAL] = users[NUMERICAL].astype("int32")
    return users


def impute(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with the missing user attributes filled: 0 for numbers, -1 as a category of its own."""
    frame[NUMERICAL] = frame[NUMERICAL].fillna(0)
    for name in CATEGORICAL:
        missing = "-1" if name == "user_active_degree" else -1
        frame[name] = frame[name].fillna(missing).astype("category")
    return frame


def split(log: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The first 80 % by time, and of the rest the distinct pairs of users who are known by then."""
    log = log.sort_values("timestamp", na_position="last", kind="stable")
    cut = int(0.8 * len(log))
    train, later = log.iloc[:cut], log.iloc[cut:]
    later = later[later["user_id"].isin(train["user_id"].unique())]
    test = later.groupby(["user_id", "item_id"], as_index=False).agg(
        interaction_count=("positive_interaction", "size"), positive_interaction=("positive_interaction", "any")
    )
    return train, test


def write_tables(out: Path, train: pd.DataFrame, test: pd.DataFrame, videos: pd.DataFrame) -> None:
    """The tables that the documented pipeline keeps."""
    pairs = ["user_id", "item_id"]
    train.to_parquet(out / "interactions_train.parquet", index=False)
    test.to_parquet(out / "interactions_test.parquet", index=False)
    test.loc[test["positive_interaction"], pairs].to_parquet(out / "test_positives.parquet", index=False)
    test[pairs].assign(score=0.5).to_parquet(out / "sample_submission.parquet", index=False)
    videos.to_parquet(out / "video_metadata.parquet", index=False)


def fit(out: Path, train: pd.DataFrame, threads: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ALS on the 0/1 matrix, zeros stored. Returns the factors of users and of items, by id."""
    users, items = train["user_id"].astype("category"), train["item_id"].astype("category")
    values = train["positive_interaction"].to_numpy(np.float32)
    matrix = csr_matrix((values, (users.cat.codes, items.cat.codes)))
    model = AlternatingLeastSquares(
        factors=FACTORS,
        regularization=REGULARIZATION,
        iterations=ITERATIONS,
        random_state=SEED,
        num_threads=threads,
    )
    model.fit(matrix, show_progress=False)
    np.save(out / "user_factors.npy", model.user_factors)
    np.save(out / "item_factors.npy", model.item_factors)
    return (
        _by_id(model.user_factors, users, "user_id", "user_factor_"),
        _by_id(model.item_factors, items, "item_id", "item_factor_"),
    )


def _by_id(factors: np.ndarray, ids: pd.Series, key: str, prefix: str) -> pd.DataFrame:
    frame = pd.DataFrame(factors, columns=[f"{prefix}{number}" for number in range(factors.shape[1])])
    frame.insert(0, key, ids.cat.categories)
    return frame


def counts(train: pd.DataFrame, side: str) -> pd.DataFrame:
    """Interactions in train of each user or item."""
    return train.groupby(f"{side}_id").size().astype("int32").rename(f"{side}_interaction_count").reset_index()


class Part(NamedTuple):
    """Rows to learn from, or to validate on."""

    features: pd.DataFrame
    labels: np.ndarray


class SideTables(NamedTuple):
    """What is known of users and videos: one row each."""

    users: pd.DataFrame
    videos: pd.DataFrame
    user_factors: pd.DataFrame
    item_factors: pd.DataFrame
    user_counts: pd.DataFrame
    item_counts: pd.DataFrame

    def joined(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All that is known of a user, and of an item."""
        users = self.users.merge(self.user_factors, on="user_id", how="left")
        items = self.videos[["item_id", "num_categories"]].merge(self.item_factors, on="item_id", how="outer")
        return (
            users.merge(self.user_counts, on="user_id", how="left"),
            items.merge(self.item_counts, on="item_id", how="left"),
        )


def features(pairs: pd.DataFrame, tables: SideTables, *, careful: bool) -> pd.DataFrame:
    """The 157 features of ``pairs``: side tables joined on, 0 where an item or user was not in train.

    Plain: one table after the other, as the features are listed. Careful: small tables first, so that the large one is
    copied twice and not six times.
    """
    if careful:
        users, items = tables.joined()
        frame = pairs.merge(users, on="user_id", how="left").merge(items, on="item_id", how="left")
    else:
        frame = pairs.merge(tables.users, on="user_id", how="left")
        frame = frame.merge(tables.videos[["item_id", "num_categories"]], on="item_id", how="left")
        frame = frame.merge(tables.user_factors, on="user_id", how="left")
        frame = frame.merge(tables.item_factors, on="item_id", how="left")
        frame = frame.merge(tables.user_counts, on="user_id", how="left")
        frame = impute(frame.merge(tables.item_counts, on="item_id", how="left"))
    frame = frame.drop(columns=["user_id", "item_id"])
    factors = [name for name in frame.columns if "_factor_" in name]
    late = [*factors, *COUNTS, "num_categories"]
    frame[late] = frame[late].fillna(0)
    if careful:
        frame = frame.astype(dict.fromkeys(COUNTS, "int32") | {"num_categories": "int16"})
    return frame[[*CATEGORICAL, *NUMERICAL, "num_categories", *factors, *COUNTS]]


def learn(fitted: Part, validation: Part, rounds: int, threads: int) -> Any:  # noqa: ANN401 - imported here
    """The ranker, cut at the round that was best on the validation rows."""
    # Whoever only prepares the rows need not pay for it.
    import lightgbm  # noqa: PLC0415

    train_set = lightgbm.Dataset(*fitted)
    validation_set = lightgbm.Dataset(*validation, reference=train_set)
    stop = lightgbm.early_stopping(EARLY_STOPPING, verbose=False)
    parameters = RANKER | {"num_threads": threads}
    return lightgbm.train(parameters, train_set, rounds, valid_sets=[validation_set], callbacks=[stop])


def judge(scored: pd.DataFrame, warm_items: pd.Index) -> dict[str, Any]:
    """Means over the users with a positive pair of precision, recall and NDCG at each cutoff; AUC over pairs."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - as in learn

    scored = scored.sort_values(["user_id", "score", "item_id"], ascending=[True, False, True])
    rank = scored.groupby("user_id").cumcount().to_numpy() + 1
    users, hit = scored["user_id"].to_numpy(), scored["positive_interaction"].to_numpy()
    hits = pd.DataFrame({"user_id": users[hit], "rank": rank[hit]})
    totals = hits.groupby("user_id").size()
    discounts = 1 / np.log2(np.arange(2, len(scored) + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])
    found: dict[str, Any] = {"precision": {}, "recall": {}, "ndcg": {}}
    for cutoff in CUTOFFS:
        top = hits[hits["rank"] <= cutoff]
        counts = top.groupby("user_id").size().reindex(totals.index, fill_value=0)
        gains = pd.Series(discounts[top["rank"] - 1]).groupby(top["user_id"].to_numpy()).sum()
        best = ideal[np.minimum(totals.to_numpy(), cutoff)]
        found["precision"][cutoff] = float((counts / cutoff).mean())
        found["recall"][cutoff] = float((counts / totals).mean())
        found["ndcg"][cutoff] = float((gains.reindex(totals.index, fill_value=0) / best).mean())
    warm = scored["item_id"].isin(warm_items).to_numpy()
    subsets = {"all": slice(None), "warm items": warm, "cold items": ~warm}
    scores = scored["score"].to_numpy()
    found["auc"] = {name: float(roc_auc_score(hit[rows], scores[rows])) for name, rows in subsets.items()}
    return found


def run(
    raw: Path, out: Path, matrix: str, threads: int, style: str = "plain", rounds: int | None = None
) -> dict[str, Any]:
    """Every step in order; without ``rounds`` only to where training can start. Returns what the last line says."""
    clock, careful = Clock(), style == "careful"
    log = read_log(raw, matrix, careful=careful)
    clock.lap("read the log")
    videos, users = read_videos(raw), read_users(raw, careful=careful)
    clock.lap("read and clean the side tables")
    train, test = split(log)
    del log
    clock.lap("sort and split")
    write_tables(out, train, test, videos)
    clock.lap("write the tables")
    user_factors, item_factors = fit(out, train, threads)
    clock.lap("ALS")
    tables = SideTables(users, videos, user_factors, item_factors, counts(train, "user"), counts(train, "item"))
    labels = train["positive_interaction"].to_numpy()
    table = features(train[["user_id", "item_id"]], tables, careful=careful)
    clock.lap("features of train")
    test_table = features(test[["user_id", "item_id"]], tables, careful=careful)
    clock.lap("features of test")
    fitted, validation, fitted_labels, validation_labels = train_test_split(
        table, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    told: dict[str, Any] = {
        "stages": clock.stages,
        "train": list(table.shape),
        "test": list(test_table.shape),
        "fitted": list(fitted.shape),
        "validation": list(validation.shape),
        "fitted_positives": int(fitted_labels.sum()),
    }
    del train, table
    clock.lap("draw the validation rows")
    # What starting Python and importing took is not in here.
    told["prepared_peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if rounds is None:
        return told
    ranker = learn(Part(fitted, fitted_labels), Part(validation, validation_labels), rounds, threads)
    ranker.save_model(out / "ranker.txt")
    told["trees"] = ranker.best_iteration
    del fitted, validation
    clock.lap("train the ranker")
    scored = test[["user_id", "item_id"]].assign(score=ranker.predict(test_table, num_threads=threads))
    scored.to_parquet(out / "submission.parquet", index=False)
    clock.lap("score")
    labelled = scored.assign(positive_interaction=test["positive_interaction"].to_numpy())
    told["metrics"] = judge(labelled, pd.Index(item_factors["item_id"]))
    (out / "metrics.json").write_text(json.dumps(told["metrics"]), encoding="utf-8")
    clock.lap("evaluate")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kraft.benchmark.peer", description=run.__doc__)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--matrix", default="small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--style", choices=("plain", "careful"), default="plain")
    parser.add_argument("--rounds", type=int, help="of the ranker, at most; without, it is not trained")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(run(**vars(options))))


if __name__ == "__main__":
    main()
