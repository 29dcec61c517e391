"""The documented pipeline in plain pandas, implicit and LightGBM, from raw files to the metrics.

These are the documented steps in their documented order: whole files are read, table after table is joined on, then
missing values are filled and categories made. It keeps what the documented pipeline keeps:
its tables as Parquet, the factors as .npy, the model as text, submission.parquet and metrics.json. The 157-feature
frames stay in memory, where `lightgbm.Dataset` takes them.
"""

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from sklearn.model_selection import train_test_split

CATEGORICAL = ["user_active_degree", *(f"onehot_feat{number}" for number in range(18))]
NUMERICAL = ["is_lowactive_period", "is_live_streamer", "is_video_author"]
NUMERICAL += ["follow_user_num", "fans_user_num", "friend_user_num", "register_days"]
PAIR = ["user_id", "item_id"]
COUNTS = ["user_interaction_count", "item_interaction_count"]
FACTORS, REGULARIZATION, ITERATIONS, SEED = 64, 0.01, 20, 42
RANKER = {"objective": "binary", "metric": "auc", "learning_rate": 0.05, "num_leaves": 31, "max_bin": 128}
RANKER |= {"feature_fraction": 0.8, "bagging_fraction": 0.8, "lambda_l1": 0.1, "lambda_l2": 0.1}
RANKER |= {"seed": SEED, "verbosity": -1}
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


def read(raw: Path, name: str) -> pd.DataFrame:
    """One raw file, Parquet or CSV."""
    parquet = raw / f"{name}.parquet"
    return pd.read_parquet(parquet) if parquet.is_file() else pd.read_csv(raw / f"{name}.csv")


def read_log(raw: Path, matrix: str) -> pd.DataFrame:
    """The interaction log with its label."""
    log = read(raw, f"{matrix}_matrix").rename(columns={"video_id": "item_id"})
    log["positive_interaction"] = log["watch_ratio"] >= 1.0
    return log


def read_videos(raw: Path) -> pd.DataFrame:
    """item_categories with the lists parsed."""
    videos = read(raw, "item_categories").rename(columns={"video_id": "item_id"})
    videos["feat"] = videos["feat"].map(json.loads)
    videos["num_categories"] = videos["feat"].str.len().astype("int16")
    return videos


def impute(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with the missing user attributes filled: 0 for numbers, -1 as its own category."""
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
    test = later.groupby(PAIR, as_index=False).agg(
        interaction_count=("positive_interaction", "size"), positive_interaction=("positive_interaction", "any")
    )
    return train, test


def write_tables(out: Path, train: pd.DataFrame, test: pd.DataFrame, videos: pd.DataFrame) -> None:
    """The tables that the documented pipeline keeps."""
    train.to_parquet(out / "interactions_train.parquet", index=False)
    test.to_parquet(out / "interactions_test.parquet", index=False)
    test.loc[test["positive_interaction"], PAIR].to_parquet(out / "test_positives.parquet", index=False)
    test[PAIR].assign(score=0.5).to_parquet(out / "sample_submission.parquet", index=False)
    videos.to_parquet(out / "video_metadata.parquet", index=False)


def fit(out: Path, train: pd.DataFrame, threads: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ALS on the 0/1 matrix, zeros stored. Returns the factors of users and of items, by id."""
    users, items = train["user_id"].astype("category"), train["item_id"].astype("category")
    values = train["positive_interaction"].to_numpy(np.float32)
    matrix = csr_matrix((values, (users.cat.codes, items.cat.codes)))
    chosen = {"factors": FACTORS, "regularization": REGULARIZATION, "iterations": ITERATIONS, "random_state": SEED}
    model = AlternatingLeastSquares(**chosen, num_threads=threads)
    model.fit(matrix, show_progress=False)
    np.save(out / "user_factors.npy", model.user_factors)
    np.save(out / "item_factors.npy", model.item_factors)
    by_user = _by_id(model.user_factors, users, "user_id", "user_factor_")
    return by_user, _by_id(model.item_factors, items, "item_id", "item_factor_")


def _by_id(factors: np.ndarray, ids: pd.Series, key: str, prefix: str) -> pd.DataFrame:
    frame = pd.DataFrame(factors, columns=[f"{prefix}{number}" for number in range(factors.shape[1])])
    frame.insert(0, key, ids.cat.categories)
    return frame


def counts(train: pd.DataFrame, side: str) -> pd.DataFrame:
    """Interactions in train of each user or item."""
    return train.groupby(f"{side}_id").size().astype("int32").rename(f"{side}_interaction_count").reset_index()


def features(pairs: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The 157 features of ``pairs``: table after table is joined on, 0 where an item or user was not in train.

    Args:
        pairs: user_id and item_id.
        tables: attributes, factors and counts of users and items, one row each, in the order of the features.
    """
    frame = pairs
    for table in tables:
        frame = frame.merge(table, on=next(key for key in PAIR if key in table), how="left")
    frame = impute(frame).drop(columns=PAIR)
    factors = [name for name in frame.columns if "_factor_" in name]
    late = [*factors, *COUNTS, "num_categories"]
    frame[late] = frame[late].fillna(0)
    return frame[[*CATEGORICAL, *NUMERICAL, "num_categories", *factors, *COUNTS]]


Part = tuple[pd.DataFrame, np.ndarray]
"""Features and labels of the rows to learn from, or to validate on."""


def learn(fitted: Part, validation: Part, rounds: int, threads: int) -> Any:  # noqa: ANN401 - imported here
    """The ranker, cut at the round that was best on the validation rows."""
    # A run that only prepares the rows does not load it.
    import lightgbm  # noqa: PLC0415

    train_set = lightgbm.Dataset(*fitted)
    validation_set = lightgbm.Dataset(*validation, reference=train_set)
    stop = lightgbm.early_stopping(EARLY_STOPPING, verbose=False)
    parameters = RANKER | {"num_threads": threads}
    return lightgbm.train(parameters, train_set, rounds, valid_sets=[validation_set], callbacks=[stop])


def evaluate(scored: pd.DataFrame, warm_items: pd.Index) -> dict[str, Any]:
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


def run(raw: str | Path, out: str | Path, matrix: str, threads: int, rounds: int | None = None) -> dict[str, Any]:
    """Every step in order; without ``rounds`` only to where training can start.

    Returns:
        `stages`, seconds of each; shapes of the frames; `prepared_peak_bytes`; with ``rounds`` `trees` and `metrics`.
    """
    clock, raw, out = Clock(), Path(raw), Path(out)
    train, test, tables, warm_items = _prepare(clock, raw, out, matrix, threads)
    labels = train["positive_interaction"].to_numpy()
    table = features(train[PAIR], tables)
    clock.lap("features of train")
    test_table = features(test[PAIR], tables)
    clock.lap("features of test")
    fitted, validation, fitted_labels, validation_labels = train_test_split(
        table, labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    told: dict[str, Any] = {"stages": clock.stages, "train": list(table.shape), "test": list(test_table.shape)}
    del train, table
    clock.lap("draw the validation rows")
    # Starting Python and importing are not in here.
    told["prepared_peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if rounds is None:
        return told
    ranker = learn((fitted, fitted_labels), (validation, validation_labels), rounds, threads)
    ranker.save_model(out / "ranker.txt")
    told["trees"] = ranker.best_iteration
    del fitted, validation
    clock.lap("train the ranker")
    scored = test[PAIR].assign(score=ranker.predict(test_table, num_threads=threads))
    scored.to_parquet(out / "submission.parquet", index=False)
    clock.lap("score")
    labelled = scored.assign(positive_interaction=test["positive_interaction"].to_numpy())
    told["metrics"] = evaluate(labelled, warm_items)
    (out / "metrics.json").write_text(json.dumps(told["metrics"]), encoding="utf-8")
    clock.lap("evaluate")
    return told


def _prepare(
    clock: Clock, raw: Path, out: Path, matrix: str, threads: int
) -> tuple[pd.DataFrame, pd.DataFrame, list[pd.DataFrame], pd.Index]:
    """Train and test interactions, what is joined to them, and the items of train."""
    log = read_log(raw, matrix)
    clock.lap("read the log")
    videos, users = read_videos(raw), read(raw, "user_features")
    clock.lap("read and clean the side tables")
    train, test = split(log)
    del log
    clock.lap("sort and split")
    write_tables(out, train, test, videos)
    clock.lap("write the tables")
    user_factors, item_factors = fit(out, train, threads)
    clock.lap("ALS")
    known = [users, videos[["item_id", "num_categories"]]]
    tables = [*known, user_factors, item_factors, counts(train, "user"), counts(train, "item")]
    return train, test, tables, pd.Index(item_factors["item_id"])
