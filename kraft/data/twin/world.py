"""The made-up world behind a twin: who watches, what there is to watch, and how long they stay.

How long user u stays with video i, in log seconds, is

    log time = level + user_level[u] + item_level[i] + taste[u] . style[i] + noise

and hardly depends on the video's length, as in KuaiRec; so the watch ratio, time over length, falls with it.
Styles are drawn around the centres of the video's categories, which is what makes categories matter, and what
lets a model say something of a video that nobody has seen. The noise is normal but for two kinds of rows that
every log has: immediate skips (ratio 0) and videos left to loop (heavy tail). So the true probability of a
positive interaction has a closed form, `World.positive_probability`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

RANK = 8
"""Dimensions of taste."""
N_CATEGORIES = 31
LEVEL = np.log(7.05)
"""Log of the typical watch time [s]; KuaiRec's median is about 7.5 s whatever the length, its share of positive
rows asks for a little less."""
USER_SD, ITEM_SD, TASTE_SD = 0.22, 0.18, 0.16
"""Standard deviations of the three known parts of the log watch time."""
NOISE_SD = 0.465
"""What nobody can know. With the spread of lengths it puts the best possible AUC near 0.84."""
SKIP_SHARE = 0.004
"""Rows that were skipped at once."""
LOOP_SHARE = 0.004
"""Rows in which the video was left to loop."""
LOOP_TAIL = 1.05
"""Exponent of the Pareto tail of the loops: the longest of 4.7 M rows is some hundreds of lengths."""
MAX_RATIO = 571.5
"""KuaiRec's largest watch ratio."""
LONG_SHARE = 0.088
"""Videos that are no clips: minutes, not seconds."""
DURATION_MS = (3_067, 315_072)
"""KuaiRec's shortest and longest video in small_matrix [ms]."""


@dataclass(frozen=True)
class World:
    """Everybody and everything, by 0-based position; about 60 bytes a user or an item."""

    user_level: Floats
    """Shape (n_users,)."""
    user_activity: Floats
    """Shape (n_users,); relative rate of interactions in big_matrix, mean 1."""
    taste: Floats
    """Shape (n_users, RANK)."""
    item_level: Floats
    """Shape (n_items,)."""
    item_appeal: Floats
    """Shape (n_items,); relative exposure in big_matrix, sums to 1."""
    style: Floats
    """Shape (n_items, RANK)."""
    duration_ms: Ints
    """Shape (n_items,)."""

    def log_time(self, users: Ints, items: Ints) -> Floats:
        """Expected log watch time [log s] of the given pairs, without the noise; shape (n_pairs,)."""
        shared = np.einsum("ij,ij->i", self.taste[users], self.style[items])
        known: Floats = np.float32(LEVEL) + self.user_level[users] + self.item_level[items] + shared
        return known

    def positive_probability(self, users: Ints, items: Ints) -> npt.NDArray[np.float64]:
        """P(watch_ratio >= 1) of the given pairs: what a perfect model would predict; shape (n_pairs,)."""
        margin = self.log_time(users, items) - np.log(self.duration_ms[items] / 1000)
        share: npt.NDArray[np.float64] = (1 - SKIP_SHARE - LOOP_SHARE) * ndtr(margin / NOISE_SD) + LOOP_SHARE
        return share

    def play_ms(self, users: Ints, items: Ints, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """Watch times [ms] of the given pairs, drawn; shape (n_pairs,)."""
        n = len(users)
        noise = generator.standard_normal(n, dtype=np.float32)
        played = 1000 * np.exp(self.log_time(users, items) + np.float32(NOISE_SD) * noise, dtype=np.float64)
        kind = generator.random(n, dtype=np.float32)
        loops = np.flatnonzero(kind < LOOP_SHARE)
        ratio = np.minimum(1 + generator.pareto(LOOP_TAIL, len(loops)), MAX_RATIO)
        # Rounded up, so that a loop of just over one length stays a positive interaction.
        played[loops] = np.ceil(ratio * self.duration_ms[items[loops]])
        played[kind > 1 - SKIP_SHARE] = 0
        whole: npt.NDArray[np.int64] = np.rint(played).astype(np.int64)
        return whole


def make_world(n_users: int, categories: list[list[int]], generator: np.random.Generator) -> World:
    """Draw a world.

    Args:
        n_users: people in it.
        categories: category ids of each video; a video without any gets the mean of all.
        generator: the only source of chance.
    """
    n_items = len(categories)
    membership = np.zeros((n_items, N_CATEGORIES), dtype=np.float32)
    for item, ids in enumerate(categories):
        membership[item, [number % N_CATEGORIES for number in ids]] = 1
    membership /= np.maximum(membership.sum(axis=1, keepdims=True), 1)
    centres = generator.standard_normal((N_CATEGORIES, RANK), dtype=np.float32)
    category_level = 0.6 * ITEM_SD * generator.standard_normal(N_CATEGORIES, dtype=np.float32)
    own_style = generator.standard_normal((n_items, RANK), dtype=np.float32)
    style = np.sqrt(0.6) * membership @ centres + np.sqrt(0.4) * own_style
    own_level = 0.8 * ITEM_SD * generator.standard_normal(n_items, dtype=np.float32)
    taste = generator.standard_normal((n_users, RANK), dtype=np.float32) * np.float32(TASTE_SD / np.sqrt(RANK))
    appeal = generator.lognormal(0, 1.1, n_items)
    activity = generator.lognormal(0, 0.55, n_users)
    return World(
        user_level=(USER_SD * generator.standard_normal(n_users)).astype(np.float32),
        user_activity=(activity / activity.mean()).astype(np.float32),
        taste=taste,
        item_level=membership @ category_level + own_level,
        item_appeal=(appeal / appeal.sum()).astype(np.float32),
        style=style.astype(np.float32),
        duration_ms=durations(n_items, membership, generator),
    )


def durations(n_items: int, membership: npt.NDArray[Any], generator: np.random.Generator) -> Ints:
    """Lengths of the videos [ms]: clips around 9.5 s, somewhat by category, and a long tail of minutes."""
    by_category = membership @ generator.normal(0, 0.12, N_CATEGORIES)
    clips = np.exp(np.log(9_380) + by_category + generator.normal(0, 0.285, n_items))
    long = np.exp(np.log(52_000) + generator.normal(0, 0.75, n_items))
    drawn = np.where(generator.random(n_items) < LONG_SHARE, long, clips)
    lengths: Ints = np.clip(np.rint(drawn), *DURATION_MS).astype(np.int32)
    return lengths
