"""The documented pipeline written down plainly: lists and dictionaries, one row at a time, no engine.

What it says is what the engine must say, exactly for tables, to 1e-9 for metrics.
"""

import csv
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

USER_NUMBERS = (
    "is_lowactive_period",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num",
    "fans_user_num",
    "friend_user_num",
    "register_days",
)
USER_CATEGORIES = ("user_active_degree", *(f"onehot_feat{number}" for number in range(18)))


def read(path: Path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


class Reference:
    """Every table of the pipeline, from the raw CSV files."""

    def __init__(self, raw: Path, matrix="small_matrix.csv", threshold=1.0, fraction=0.8):
        log = [
            (
                float(row["timestamp"]) if row["timestamp"] else math.inf,
                int(row["user_id"]),
                int(row["video_id"]),
                int(row["play_duration"]),
                int(row["video_duration"]),
                float(row["watch_ratio"]),
            )
            for row in read(raw / matrix)
        ]
        self.log = sorted(set(log))
        self.cut = int(fraction * len(self.log))
        self.train, later = self.log[: self.cut], self.log[self.cut :]
        self.users = sorted({row[1] for row in self.train})
        self.items = sorted({row[2] for row in self.train})
        self.user_row = {user: number for number, user in enumerate(self.users)}
        self.item_row = {item: number for number, item in enumerate(self.items)}
        self.positive = [row[5] >= threshold for row in self.train]
        self.pairs: dict[tuple[int, int], list[bool]] = defaultdict(list)
        for row in later:
            if row[1] in self.user_row:
                self.pairs[row[1], row[2]].append(row[5] >= threshold)
        self.truth = {pair for pair, liked in self.pairs.items() if any(liked)}
        self.user_counts = self._counts(1)
        self.item_counts = self._counts(2)
        self.n_categories = {
            int(row["video_id"]): len(row["feat"].strip("[]").split(",")) for row in read(raw / "item_categories.csv")
        }
        self.user_features = self._user_features(read(raw / "user_features.csv"))

    def _counts(self, key):
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for row, liked in zip(self.train, self.positive, strict=True):
            counts[row[key]][0] += 1
            counts[row[key]][1] += liked
        return counts

    @staticmethod
    def _user_features(rows):
        codes = {}
        for name in USER_CATEGORIES:
            seen = {row[name] for row in rows if row[name]}
            ordered = sorted(seen) if name == "user_active_degree" else sorted(seen, key=float)
            codes[name] = {"": 0} | {value: code for code, value in enumerate(ordered, 1)}
        return {
            int(row["user_id"]): [codes[name][row[name]] for name in USER_CATEGORIES]
            + [int(float(row[name] or 0)) for name in USER_NUMBERS]
            for row in rows
        }

    def stored_features(self, user, item):
        """The features but the factors: 19 categories, 7 numbers, num_categories | two counts."""
        cold_user = [0] * (len(USER_CATEGORIES) + len(USER_NUMBERS))
        lead = [*self.user_features.get(user, cold_user), self.n_categories.get(item, 0)]
        counts = [self.user_counts[user][0] if user in self.user_counts else 0]
        counts.append(self.item_counts[item][0] if item in self.item_counts else 0)
        return lead, counts

    def matrix(self):
        """Train matrix, shape (users, items): positives of each pair; NaN where it was never observed."""
        dense = np.full((len(self.users), len(self.items)), np.nan)
        for row, liked in zip(self.train, self.positive, strict=True):
            cell = self.user_row[row[1]], self.item_row[row[2]]
            dense[cell] = np.nan_to_num(dense[cell]) + liked
        return dense

    def features(self, pairs, user_factors, item_factors):
        """float32 feature matrix of the pairs, zeros for unknown factors."""
        nothing = np.zeros(user_factors.shape[1], dtype=np.float32)
        rows = []
        for user, item in pairs:
            lead, counts = self.stored_features(user, item)
            u = user_factors[self.user_row[user]] if user in self.user_row else nothing
            i = item_factors[self.item_row[item]] if item in self.item_row else nothing
            rows.append(np.concatenate((lead, u, i, counts)))
        return np.array(rows, dtype=np.float32)


def ranking_metrics(scores: dict[tuple[int, int], float], truth: set[tuple[int, int]], cutoffs):
    """Precision, recall and NDCG at each cutoff, averaged over the users with a positive."""
    lists: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for (user, item), score in scores.items():
        lists[user].append((-score, item))
    positives: dict[int, set[int]] = defaultdict(set)
    for user, item in truth:
        positives[user].add(item)
    table = {}
    for k in cutoffs:
        rows = []
        for user, liked in positives.items():
            top = [item for _, item in sorted(lists[user])][:k]
            gains = [1 / math.log2(place + 2) for place, item in enumerate(top) if item in liked]
            ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(liked))))
            rows.append((len(gains) / k, len(gains) / len(liked), sum(gains) / ideal))
        table[k] = tuple(float(np.mean(column)) for column in zip(*rows, strict=True))
    return table


def auc(scores: dict[tuple[int, int], float], truth: set[tuple[int, int]]):
    """Share of (positive, negative) pairs in the right order, ties half."""
    liked = np.array([score for pair, score in scores.items() if pair in truth])
    other = np.array([score for pair, score in scores.items() if pair not in truth])
    right = sum((score > other).sum() + 0.5 * (score == other).sum() for score in liked)
    return float(right / (len(liked) * len(other)))
