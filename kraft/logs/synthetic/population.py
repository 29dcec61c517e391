"""The made-up world behind synthetic data: who watches, what there is to watch, and how long they stay.

How long user u stays with video i, in log seconds, is

    log time = level + pull(length[i]) + user_level[u] + item_level[i] + taste[u] . style[i] + noise

and hardly depends on the video's length, as in KuaiRec; so the watch ratio, time over length, falls with it.
Levels and styles of videos are drawn around those of their categories and authors, which is what makes
categories matter and lets a model say something of a video that nobody has seen. The noise is normal but for two
kinds of rows that every log has: immediate skips (ratio 0) and videos left to loop (heavy tail). So the true
probability of a positive interaction has a closed form, `World.positive_probability`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from kraft.logs.synthetic.lengths import draw_lengths

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

RANK = 8
"""Dimensions of taste."""
N_CATEGORIES = 31
LEVEL = float(np.log(7.18))
"""Log of the typical watch time [s]; KuaiRec's median is about 7.5 s whatever the length, its share of positive
rows asks for a little less."""
PULL, PULL_CENTRE, PULL_RANGE = 0.16, float(np.log(9.6)), (-0.6, 0.38)
"""A video of a few seconds is watched a little shorter: slope of log time over log length, and where it holds, as
distances from the typical length [log s]. KuaiRec's 80th percentile of the time goes from 10.8 s at 3.5 s to 12.7 s at
14 s, then stays."""
USER_SD, ITEM_SD, TASTE_SD = 0.20, 0.21, 0.20
"""Standard deviations of the three known parts of the log watch time."""
USER_FREEDOM = 5
"""Users differ by Student's t with so many degrees of freedom: a few like next to nothing (4 positive rows in all
of KuaiRec's test period), a few nearly everything (660)."""
MOST_APART = 1.15
"""The furthest that a user is from the mean [log s]: everybody has a positive row or two in the test period."""
CATEGORY_PART, AUTHOR_PART = 0.3, 0.2
"""Shares of the variance of a video's level that its categories and its author account for; the rest is its own."""
STYLE_CATEGORY_PART = 0.6
"""Share of the variance of a video's style that its categories account for."""
VIDEOS_AN_AUTHOR = 1.26
NOISE_SD = 0.463
"""What nobody can know. With the spread of lengths it puts the best possible AUC near 0.84."""
SKIP_SHARE = 0.004
"""Rows that were skipped at once."""
LOOP_SHARE = 0.004
"""Rows in which the video was left to loop."""
LOOP_TAIL = 1.05
"""Exponent of the Pareto tail of the loops, which ends at `MAX_RATIO`."""
MAX_RATIO = 571.5
"""KuaiRec's largest watch ratio."""


@dataclass(frozen=True)
class World:
    """Everybody and everything, by 0-based position; about 50 bytes a user or an item."""

    user_ids: Ints
    """Shape (n_users,)."""
    item_ids: Ints
    """Shape (n_items,)."""
    user_level: Floats
    """Shape (n_users,); mean about 0 over the users of small_matrix."""
    user_activity: Floats
    """Shape (n_users,); relative rate of interactions in big_matrix, mean 1."""
    taste: Floats
    """Shape (n_users, RANK)."""
    item_level: Floats
    """Shape (n_items,); mean 0 over the videos of small_matrix."""
    item_appeal: Floats
    """Shape (n_items,); relative exposure in big_matrix, sums to 1."""
    style: Floats
    """Shape (n_items, RANK)."""
    duration_ms: Ints
    """Shape (n_items,)."""
    author: Ints
    """Shape (n_items,); 0-based number of the author."""

    def log_time(self, users: Ints, items: Ints) -> Floats:
        """Expected log watch time [log s] of the given pairs, without the noise; shape (n_pairs,)."""
        shared = np.einsum("ij,ij->i", self.taste[users], self.style[items])
        known: Floats = self.item_log_time(items) + self.user_level[users] + shared
        return known

    def item_log_time(self, items: Ints) -> Floats:
        """Expected log watch time [log s] of a user without a taste of their own; shape (n_items,)."""
        length = np.log(self.duration_ms[items] / 1000)
        pull = PULL * np.clip(length - PULL_CENTRE, *PULL_RANGE)
        known: Floats = (LEVEL + pull + self.item_level[items]).astype(np.float32)
        return known

    def positive_probability(self, users: Ints, items: Ints) -> Floats64:
        """P(watch_ratio >= 1) of the given pairs: what a perfect model would predict; shape (n_pairs,)."""
        # Times are whole milliseconds: half of one below the length is still rounded up to it.
        length = np.log((self.duration_ms[items] - 0.5) / 1000)
        watched = ndtr((self.log_time(users, items) - length) / NOISE_SD)
        share: Floats64 = (1 - SKIP_SHARE - LOOP_SHARE) * watched + LOOP_SHARE
        return share

    def play_ms(self, users: Ints, items: Ints, generator: np.random.Generator) -> npt.NDArray[np.int64]:
        """Watch times [ms] of the given pairs, drawn; shape (n_pairs,)."""
        n = len(users)
        noise = generator.standard_normal(n, dtype=np.float32)
        played = 1000 * np.exp(self.log_time(users, items) + np.float32(NOISE_SD) * noise, dtype=np.float64)
        kind = generator.random(n, dtype=np.float32)
        loops = np.flatnonzero(kind < LOOP_SHARE)
        # Inverse of the Pareto distribution between 1 and MAX_RATIO.
        above = 1 - generator.random(len(loops)) * (1 - MAX_RATIO**-LOOP_TAIL)
        # Rounded up, so that a loop of just over one length stays a positive interaction.
        played[loops] = np.ceil(above ** (-1 / LOOP_TAIL) * self.duration_ms[items[loops]])
        played[kind > 1 - SKIP_SHARE] = 0
        whole: npt.NDArray[np.int64] = np.rint(played).astype(np.int64)
        return whole


def make_world(
    user_ids: Ints,
    item_ids: Ints,
    categories: list[list[int]],
    small_users: Ints,
    small_items: Ints,
    generator: np.random.Generator,
    lengths_ms: Ints | None = None,
) -> World:
    """Draw a world.

    Args:
        user_ids: people in it.
        item_ids: videos in it.
        categories: category ids of each video; a video without any gets the mean of all.
        small_users: positions of the users of small_matrix.
        small_items: positions of its videos.
        generator: the only source of chance.
        lengths_ms: known lengths of the videos [ms], 0 where one is to be drawn.
    """
    n_users, n_items = len(user_ids), len(item_ids)
    membership = _membership(categories)
    normal = generator.standard_normal
    # einsum, not BLAS: its sums do not depend on the number of threads.
    centres = np.einsum("ij,jk->ik", membership, normal((N_CATEGORIES, RANK), dtype=np.float32))
    own_style = normal((n_items, RANK), dtype=np.float32)
    style = np.sqrt(STYLE_CATEGORY_PART) * centres + np.sqrt(1 - STYLE_CATEGORY_PART) * own_style
    n_authors = max(round(n_items / VIDEOS_AN_AUTHOR), 1)
    author = generator.integers(0, n_authors, n_items, dtype=np.int32)
    own_part = 1 - CATEGORY_PART - AUTHOR_PART
    item_level = ITEM_SD * (
        np.sqrt(CATEGORY_PART) * np.einsum("ij,j->i", membership, normal(N_CATEGORIES))
        + np.sqrt(AUTHOR_PART) * normal(n_authors)[author]
        + np.sqrt(own_part) * normal(n_items)
    )
    user_level = USER_SD * generator.standard_t(USER_FREEDOM, n_users) * np.sqrt(1 - 2 / USER_FREEDOM)
    drawn = draw_lengths(membership, small_items, generator)
    user_level = np.clip(user_level - user_level[small_users].mean(), -MOST_APART, MOST_APART)
    appeal = generator.lognormal(0, 1.1, n_items)
    activity = generator.lognormal(0, 0.55, n_users)
    return World(
        user_ids=user_ids,
        item_ids=item_ids,
        user_level=user_level.astype(np.float32),
        user_activity=(activity / activity.mean()).astype(np.float32),
        taste=normal((n_users, RANK), dtype=np.float32) * np.float32(TASTE_SD / np.sqrt(RANK)),
        item_level=(item_level - item_level[small_items].mean()).astype(np.float32),
        item_appeal=(appeal / appeal.sum()).astype(np.float32),
        style=style.astype(np.float32),
        duration_ms=drawn if lengths_ms is None else np.where(lengths_ms > 0, lengths_ms, drawn).astype(np.int32),
        author=author,
    )


def _membership(categories: list[list[int]]) -> Floats:
    """Which categories a video is in, its row of weights summing to 1; shape (n_items, N_CATEGORIES)."""
    matrix = np.zeros((len(categories), N_CATEGORIES), dtype=np.float32)
    for item, ids in enumerate(categories):
        matrix[item, [number % N_CATEGORIES for number in ids]] = 1
    weights: Floats = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return weights
